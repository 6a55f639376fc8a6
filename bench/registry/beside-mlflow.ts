import { print, timeWork, type Timed } from "./timing.ts";

/** What both registries can do. */
export interface Registry {
  /** Registers a new version of the model; returns its number. */
  readonly register: (model: string, call: number) => Promise<number>;
  readonly setAlias: (model: string, number: number, alias: string) => Promise<void>;
  /** Newest versions of a model, at most 50; returns how many. */
  readonly search: (model: string) => Promise<number>;
  readonly getByAlias: (model: string, alias: string) => Promise<void>;
}

const CLIENTS = 8;
const MODELS = 20;

/** Times both, in the same order of work and with as many clients; the other one is started when ours is done, so that each has the machine. */
export async function measureBeside(own: Registry, startMlflow: () => Promise<Registry>): Promise<void> {
  const ours = await measure(own);
  const theirs = await measure(await startMlflow());
  for (const [index, { name, timed }] of ours.entries()) {
    const other = theirs[index]?.timed;
    if (!other) throw new Error(`MLflow was not asked to ${name}`);
    const peer = "MLflow 3 server, one worker, same Postgres";
    const what = `${name}, ${CLIENTS} clients`;
    print({ measure: what, value: timed.perSecond, unit: "calls/s", peer, peerValue: other.perSecond });
    print({ measure: `${what}, p95`, value: timed.p95, unit: "ms", peer, peerValue: other.p95 });
  }
}

async function measure(registry: Registry): Promise<{ name: string; timed: Timed }[]> {
  const modelOf = (call: number) => `peer-${call % MODELS}`;
  const made = new Map<string, number>();
  const registerOne = async (call: number): Promise<void> => {
    made.set(modelOf(call), await registry.register(modelOf(call), call));
  };
  // So that every model has a version, however slow the rest goes.
  for (let call = 0; call < MODELS; call += 1) await registerOne(call);
  const register = await timeWork(CLIENTS, (call) => registerOne(MODELS + call));
  const setAlias = await timeWork(CLIENTS, async (call) => {
    const model = modelOf(call);
    await registry.setAlias(model, 1 + (call % (made.get(model) ?? 1)), "champion");
  });
  const search = await timeWork(CLIENTS, async (call) => {
    if ((await registry.search(modelOf(call))) === 0) throw new Error(`${modelOf(call)} has no versions`);
  });
  const getByAlias = await timeWork(CLIENTS, (call) => registry.getByAlias(modelOf(call), "champion"));
  return [
    { name: "register a version", timed: register },
    { name: "set an alias", timed: setAlias },
    { name: "search a model's versions", timed: search },
    { name: "get a version by alias", timed: getByAlias },
  ];
}
