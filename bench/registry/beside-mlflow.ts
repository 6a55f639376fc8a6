import { print, summarize, takeTurn, type Turn } from "./timing.ts";

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

type Deed = () => Promise<unknown>;

/** Times both, deed by deed and in turns, so that what else the machine does meets them alike; the first turn of each is not counted. */
export async function measureBeside(own: Registry, mlflow: Registry): Promise<void> {
  const [ours, theirs] = [await deedsOf(own), await deedsOf(mlflow)];
  for (const [name, deed] of ours) {
    const other = theirs.get(name);
    if (!other) throw new Error(`MLflow was not asked to ${name}`);
    const turns: Record<"ours" | "theirs", Turn[]> = { ours: [], theirs: [] };
    for (const who of ["ours", "theirs", "theirs", "ours", "ours", "theirs"] as const) {
      turns[who].push(await takeTurn(CLIENTS, who === "ours" ? deed : other));
    }
    const [timed, peerTimed] = [turns.ours, turns.theirs].map((all) => summarize(all.slice(1)));
    if (!timed || !peerTimed) throw new Error(`${name} was not timed`);
    const peer = "MLflow 3 server, one worker, same Postgres";
    const what = `${name}, ${CLIENTS} clients`;
    print({ measure: what, value: timed.perSecond, unit: "calls/s", peer, peerValue: peerTimed.perSecond });
    print({ measure: `${what}, p95`, value: timed.p95, unit: "ms", peer, peerValue: peerTimed.p95 });
  }
}

/** What is timed, on a registry in which every model has a version. */
async function deedsOf(registry: Registry): Promise<ReadonlyMap<string, Deed>> {
  const modelOf = (call: number) => `peer-${call % MODELS}`;
  const made = new Map<string, number>();
  const counted = (deed: (call: number) => Promise<unknown>): Deed => {
    let calls = 0;
    return () => deed(calls++);
  };
  const register = counted(async (call) => {
    made.set(modelOf(call), await registry.register(modelOf(call), call));
  });
  for (let call = 0; call < MODELS; call += 1) await register();
  return new Map([
    ["register a version", register],
    [
      "set an alias",
      counted((call) => {
        const model = modelOf(call);
        return registry.setAlias(model, 1 + (call % (made.get(model) ?? 1)), "champion");
      }),
    ],
    [
      "search a model's versions",
      counted(async (call) => {
        if ((await registry.search(modelOf(call))) === 0) throw new Error(`${modelOf(call)} has no versions`);
      }),
    ],
    ["get a version by alias", counted((call) => registry.getByAlias(modelOf(call), "champion"))],
  ]);
}
