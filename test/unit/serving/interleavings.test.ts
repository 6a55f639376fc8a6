import { createHash } from "node:crypto";
import { performance } from "node:perf_hooks";
import { array, assert, asyncProperty, constantFrom, nat, oneof, record, type Arbitrary } from "fast-check";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { EndpointRoute, ServedVersion } from "../../../contracts/inference.ts";
import { BASIS_POINTS } from "../../../contracts/names.ts";
import { routingPoint } from "../../../core/rollout/assign.ts";
import { chooseArm } from "../../../serving/choose-arm.ts";
import { createDatabaseClock } from "../../../serving/database-clock.ts";
import { ServingRoutes } from "../../../serving/routing-table.ts";
import type { LiveVersion, VersionPool } from "../../../serving/version-pool.ts";
import { SIGNATURE } from "./served-model.ts";

/**
 * Random interleavings of what a rollout's workflow decides, what people ask, and what happens to gateways, against the gateways' real routing
 * table, clock and choice of arm. Simulated are Postgres (a route, a lease and its own clock), model processes and time.
 */
const files = new Map<string, unknown>();
vi.mock(import("../../../adapters/files/durable-file.ts"), () => ({
  writeDurably: async (path: string, content: unknown) => void files.set(path, content),
  readDurable: async (path: string) => files.get(path) ?? null,
}));

const STEPS = [500, 2500, 5000] as const;
const LEASE_MS = 60_000;
const GATEWAYS = 2;
const RUNS = 10_000;
const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest();

/** Monotonic time of everybody, and each run's wrong wall clock. */
let now = 0;
let wallSkewMs = 0;
beforeAll(() => {
  vi.spyOn(performance, "now").mockImplementation(() => now);
  vi.spyOn(Date, "now").mockImplementation(() => now + wallSkewMs);
});
afterAll(() => {
  vi.restoreAllMocks();
});

type Action =
  | { readonly kind: "open" | "step" | "promote" | "abort" | "repeat" | "renew" }
  | { readonly kind: "share"; readonly basisPoints: number }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "poll" | "cut" | "join" | "restart" | "withdraw" | "fail" | "heal"; readonly gateway: number }
  | { readonly kind: "ask"; readonly gateway: number; readonly keys: readonly number[] };

const gateway = nat(GATEWAYS - 1);
const asks = record({
  kind: constantFrom("ask" as const),
  gateway,
  keys: array(nat(1_000_000), { minLength: 1, maxLength: 6 }),
});
const actions: Arbitrary<Action> = oneof(
  record({ kind: constantFrom("open", "step", "step", "step", "promote", "abort", "repeat", "renew", "renew") }),
  record({ kind: constantFrom("share" as const), basisPoints: nat(9998).map((share) => share + 1) }),
  record({ kind: constantFrom("pass" as const), ms: nat(LEASE_MS / 2) }),
  record({ kind: constantFrom("poll", "poll", "poll", "cut", "join", "restart", "withdraw", "fail", "heal"), gateway }),
  asks,
  asks,
);

const version = (number: number): ServedVersion => ({
  versionId: `version-${number}`,
  number,
  digest: "0".repeat(64),
  signature: SIGNATURE,
});

/** The workflow's side: decisions under keys, each a new epoch once, whoever repeats it. */
class Database {
  readonly epochs: EndpointRoute[];
  leaseUntilMs = 0;
  private readonly done = new Set<string>();
  private readonly clockOffsetMs: number;
  private last: (() => void) | undefined;
  private rollout = 0;
  private step = -1;
  private changes = 0;

  constructor(clockOffsetMs: number) {
    this.clockOffsetMs = clockOffsetMs;
    const champion = version(1);
    this.epochs = [
      { endpoint: "e", epoch: 1, champion, canary: null, canaryBasisPoints: 0, salt: "0", leaseUntilMs: null },
    ];
  }

  nowMs = () => now + this.clockOffsetMs;
  current(): EndpointRoute {
    const current = this.epochs.at(-1);
    if (!current) throw new Error("no epoch");
    return current.canary ? { ...current, leaseUntilMs: this.leaseUntilMs } : current;
  }

  decide(action: Action): void {
    const { champion, canary } = this.current();
    if (action.kind === "repeat") this.last?.();
    else if (action.kind === "renew") this.renew();
    else if (action.kind === "open" && !canary) {
      this.rollout += 1;
      this.step = -1;
      this.shift(champion, version(this.rollout + 1));
    } else if (!canary || !champion) return;
    else if (action.kind === "abort") {
      // The former champion, whether the canary has a share or everything.
      const back = this.step === STEPS.length ? canary : champion;
      this.advance("withdraw", { champion: back, canary: null, canaryBasisPoints: 0 });
    } else if (this.step === STEPS.length) return;
    else if (action.kind === "step" && this.step < STEPS.length - 1) this.shift(champion, canary);
    else if (action.kind === "share") {
      this.changes += 1;
      this.advance(`share/${this.changes}`, { canaryBasisPoints: action.basisPoints });
    } else if (action.kind === "promote") {
      this.step = STEPS.length;
      this.advance("promote", { champion: canary, canary: champion, canaryBasisPoints: 0 });
    }
  }

  private shift(champion: ServedVersion | null, canary: ServedVersion): void {
    this.step += 1;
    const canaryBasisPoints = STEPS[this.step] ?? 0;
    this.advance(`step/${this.step}`, { champion, canary, canaryBasisPoints, salt: String(this.rollout) });
  }

  /** A worker that was killed after this and before its confirmation does it again: the same key, no other epoch. */
  private advance(step: string, change: Partial<EndpointRoute>): void {
    const key = `${this.rollout}/${step}`;
    const once = () => {
      if (this.done.has(key)) return;
      this.done.add(key);
      this.epochs.push({ ...this.current(), ...change, epoch: this.epochs.length + 1 });
      this.renew();
    };
    once();
    this.last = once;
  }

  private renew(): void {
    this.leaseUntilMs = this.nowMs() + LEASE_MS;
  }
}

/** A gateway's side: the real table over a connection that can be cut and processes that may not start. */
class Gateway {
  readonly answered = { champion: 0, canary: 0, unserved: 0 };
  asked = 0;
  isCut = false;
  failing = false;
  confirmed = 0;
  private readonly open = new Map<string, LiveVersion>();
  private routes: ServingRoutes;
  private tell: () => void = () => undefined;
  private newest = 0;
  /** The newest epoch somebody withdrew here, past every restart. */
  private withdrawn = 0;
  private readonly database: Database;
  private readonly name: string;

  constructor(database: Database, name: string) {
    this.database = database;
    this.name = name;
    this.routes = this.create();
  }

  async start(): Promise<void> {
    await this.routes.start();
  }

  async restart(): Promise<void> {
    await this.routes.stop();
    this.open.clear();
    // Another process, of another name.
    this.confirmed = 0;
    this.newest = 0;
    this.routes = this.create();
    await this.start();
  }

  async withdraw(): Promise<void> {
    this.withdrawn = Math.max(this.withdrawn, (await this.routes.withdraw("e")) ?? 0);
  }

  async poll(): Promise<void> {
    this.tell();
    await settled();
  }

  stop = () => this.routes.stop();

  ask(key: string): void {
    const applied = this.routes.route("e");
    this.asked += 1;
    if (!applied) {
      // Only one that never heard of a route, or whose champion will not start.
      must(this.newest === 0, "an endpoint that was served stays served");
      this.answered.unserved += 1;
      return;
    }
    const { route } = applied;
    must(route.epoch >= this.newest, "a gateway never goes back to an older epoch");
    this.newest = route.epoch;
    const { arm, live } = chooseArm(applied, key, now);
    const intended = this.database.epochs[route.epoch - 1];
    // A promotion that was withdrawn here: the former champion has everything again.
    const isFormer = arm === "canary" && route.epoch <= this.withdrawn && intended?.canaryBasisPoints === 0;
    this.answered[isFormer ? "champion" : arm] += 1;
    must(this.open.get(live.version.versionId) === live, "a request's process was started here and not given up since");
    if (arm === "champion") return;
    must(live.version.versionId === intended?.canary?.versionId, "the epoch's canary answers");
    if (isFormer) return;
    must(route.epoch > this.withdrawn, "what was withdrawn stays so until the next epoch");
    const point = routingPoint({ salt: route.salt, key, hash: sha256 });
    must(point < (intended?.canaryBasisPoints ?? 0) / BASIS_POINTS, "no key beyond the intended share");
    // Whoever gave the share still stands by it, by the database's own clock.
    must(this.database.nowMs() < this.database.leaseUntilMs, "no share after its lease");
  }

  servesEpoch(): number | undefined {
    return this.routes.route("e")?.route.epoch;
  }

  private create(): ServingRoutes {
    const unlessCut = async <Value>(work: () => Value): Promise<Value> => {
      if (this.isCut) throw new Error("cut off");
      const value = work();
      // The way back takes time, in which the lease runs on.
      now += 40;
      return value;
    };
    const pool: Pick<VersionPool, "start" | "keep"> = {
      start: async (_label, served) => {
        const known = this.open.get(served.versionId);
        if (known) return known;
        if (this.failing) throw new Error("will not start");
        const process = {
          infer: async () => [],
          hasRoom: () => true,
          pid: () => 1,
          waitingRows: () => 0,
          maximumWaitingRows: 1,
          close: async () => undefined,
        };
        const live: LiveVersion = { version: served, process };
        this.open.set(served.versionId, live);
        return live;
      },
      // No grace at all: what no route names is gone at once.
      keep: (wanted) => {
        for (const versionId of this.open.keys()) if (!wanted.has(versionId)) this.open.delete(versionId);
      },
    };
    return new ServingRoutes({
      source: {
        load: () => unlessCut(() => ({ databaseNowMs: this.database.nowMs(), routes: [this.database.current()] })),
        confirm: (_endpoint, epoch) => unlessCut(() => void (this.confirmed = Math.max(this.confirmed, epoch))),
        report: async () => undefined,
        watch: (onChange) => {
          this.tell = onChange;
          return async () => undefined;
        },
      },
      pool,
      clock: createDatabaseClock(),
      snapshotPath: this.name,
      pollMs: 2 ** 30,
      events: { onProblem: () => undefined, onApplied: () => undefined },
    });
  }
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`it does not hold that ${what}`);
}

/** Everything that waits for nothing but its turn has had it. */
async function settled(): Promise<void> {
  for (let turns = 0; turns < 2; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function act(database: Database, gateways: readonly Gateway[], action: Action): Promise<void> {
  const one = "gateway" in action ? gateways[action.gateway] : undefined;
  const before = database.epochs.length;
  if (action.kind === "pass") now += action.ms;
  else if (!one) database.decide(action);
  else if (action.kind === "ask") for (const key of action.keys) one.ask(`user-${key}`);
  else if (action.kind === "poll") await one.poll();
  else if (action.kind === "restart") await one.restart();
  else if (action.kind === "withdraw") await one.withdraw();
  else if (action.kind === "cut" || action.kind === "join") one.isCut = action.kind === "cut";
  else one.failing = action.kind === "fail";
  must(action.kind !== "repeat" || database.epochs.length === before, "what is repeated makes no epoch");
  // Looks begin when every gateway has confirmed: then every one of them serves it.
  for (const gateway of gateways) {
    const confirmed = gateway.confirmed === database.epochs.length;
    must(!confirmed || gateway.servesEpoch() === gateway.confirmed, "a confirmed epoch is served");
  }
}

const keys = Array.from({ length: 5 }, (_, index) => `last-${index}`);
const askAll = (gateways: readonly Gateway[]) => {
  for (const gateway of gateways) for (const key of keys) gateway.ask(key);
};

it(`${RUNS.toLocaleString("en")} interleavings: no share beyond what was intended, no request without a live arm, and an abort reaches everybody`, async () => {
  const run = record({
    clockOffsetMs: nat(7_200_000).map((ms) => ms - 3_600_000),
    // A minute to either side.
    skewMs: constantFrom(-60_000, 0, 60_000),
    story: array(actions, { minLength: 5, maxLength: 50, size: "max" }),
  });
  let canaryAnswers = 0;
  await assert(
    asyncProperty(run, async ({ clockOffsetMs, skewMs, story }) => {
      now = 1000;
      wallSkewMs = skewMs;
      files.clear();
      const database = new Database(clockOffsetMs);
      const gateways = Array.from({ length: GATEWAYS }, (_, index) => new Gateway(database, `gateway-${index}`));
      database.decide({ kind: "open" });
      for (const gateway of gateways) await gateway.start();
      try {
        for (const action of story) await act(database, gateways, action);
        canaryAnswers += gateways.reduce((sum, { answered }) => sum + answered.canary, 0);

        // Somebody aborts: whoever can hear serves the champion at the next poll, ...
        database.decide({ kind: "abort" });
        for (const gateway of gateways) await gateway.poll();
        const before = gateways.map(({ answered }) => answered.canary);
        const hearing = gateways.filter(({ isCut }) => !isCut);
        askAll(hearing);
        // ... and who cannot, when the lease is over that nobody renews.
        now += LEASE_MS;
        askAll(gateways);
        expect(gateways.map(({ answered }) => answered.canary)).toEqual(before);
        for (const gateway of gateways) {
          gateway.isCut = false;
          gateway.failing = false;
          await gateway.poll();
          expect(gateway.servesEpoch()).toBe(database.epochs.length);
          const { champion, canary, unserved } = gateway.answered;
          expect(champion + canary + unserved).toBe(gateway.asked);
        }
      } finally {
        for (const gateway of gateways) await gateway.stop();
      }
    }),
    { numRuns: RUNS },
  );
  // The story is not about nothing.
  expect(canaryAnswers).toBeGreaterThan(1000);
}, 60_000);
