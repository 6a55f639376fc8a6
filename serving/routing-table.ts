import { performance } from "node:perf_hooks";
import { isDeepStrictEqual } from "node:util";
import type { IdentityMode } from "../contracts/identity.ts";
import type { EndpointRoute, ServedVersion } from "../contracts/inference.ts";
import type { DatabaseClock } from "./database-clock.ts";
import type { RouteSource } from "./route-source.ts";
import { readRoutingSnapshot, writeRoutingSnapshot } from "./routing-snapshot.ts";
import type { LiveVersion, VersionPool } from "./version-pool.ts";
import { openWithdrawals, type Withdrawals } from "./withdrawals.ts";

/** An epoch that is being served: its processes are up. */
export interface AppliedRoute {
  /** Of one epoch; what is kept of requests may change within it. */
  route: EndpointRoute;
  readonly champion: LiveVersion | null;
  /** Null also while the canary's process could not be started. */
  readonly canary: LiveVersion | null;
  /** Reading of `performance.now()` until which the canary may have traffic; renewed by every poll. */
  leaseDeadline: number;
  /** What its rollout gave was taken back here. */
  withdrawn: boolean;
  /** True when everything the epoch names is up; only then the epoch is confirmed. */
  readonly complete: boolean;
  /** Reading of `performance.now()` when the database last took the confirmation; null before. */
  confirmedAt: number | null;
}

interface RoutingEvents {
  readonly onProblem: (what: string, problem: unknown) => void;
  readonly onApplied: (applied: AppliedRoute) => void;
}

export interface RoutingTableOptions {
  readonly source: RouteSource;
  readonly pool: Pick<VersionPool, "start" | "keep">;
  readonly clock: DatabaseClock;
  /** File of the last applied routes; what was withdrawn is kept beside it. */
  readonly snapshotPath: string;
  /** 1 s by default. */
  readonly pollMs?: number;
  readonly events: RoutingEvents;
}

/** A network that swallows packets must not hold up the poll after this one. */
const LOAD_TIMEOUT_MS = 5_000;

/** Said again now and then: somebody may have tidied up a gateway that was only slow. */
const CONFIRM_AGAIN_MS = 30_000;

/**
 * Follows the desired routing: level-triggered, so that a missed notification, a late answer or a restart ends in the same
 * place. A new epoch replaces the old one in one assignment when all its processes are up, never before; until then the
 * old one stays, with its own lease, which nobody renews any more.
 */
export class ServingRoutes {
  private readonly applied = new Map<string, AppliedRoute>();
  private readonly desired = new Map<string, EndpointRoute>();
  private readonly tried = new Set<string>();
  private readonly converging = new Map<string, Promise<void>>();
  private readonly options: RoutingTableOptions;
  /** Whether callers must show a token: what Postgres last said. */
  identity: IdentityMode = "declared";
  private loaded = false;
  private stopped = false;
  private polling: Promise<void> | undefined;
  private pollAgain = false;
  private timer: NodeJS.Timeout | undefined;
  private stopWatching: (() => Promise<void>) | undefined;
  private withdrawals: Withdrawals | undefined;
  private snapshotWrites: Promise<void> = Promise.resolve();

  constructor(options: RoutingTableOptions) {
    this.options = options;
  }

  /** Loads once, from the source or else from the snapshot, applies what can be applied, then follows. */
  async start(): Promise<void> {
    this.withdrawals = await openWithdrawals(`${this.options.snapshotPath}.withdrawn`);
    await this.poll();
    if (!this.loaded) {
      const snapshot = await readRoutingSnapshot(this.options.snapshotPath);
      this.identity = snapshot?.identity ?? "declared";
      for (const route of snapshot?.routes ?? []) this.want(route);
      this.loaded = snapshot !== null;
    }
    await Promise.all(this.converging.values());
    this.stopWatching = this.options.source.watch(() => void this.poll());
    this.timer = setInterval(() => void this.poll(), this.options.pollMs ?? 1_000);
  }

  /** Looks at the source now, and returns when everything it names was tried. */
  async refresh(): Promise<void> {
    await this.poll();
    await Promise.all(this.converging.values());
  }

  /**
   * Takes the canary, and what is mirrored to it, back at once, and for good: a restart does not bring it again, a later epoch does. Of a
   * promotion that is observed, the former champion answers again. Comes back with the epoch it was taken from when that is on disk; null where nobody routes the endpoint.
   */
  async withdraw(endpoint: string): Promise<number | null> {
    const epoch = (this.desired.get(endpoint) ?? this.applied.get(endpoint)?.route)?.epoch;
    if (epoch === undefined || !this.withdrawals) return null;
    const kept = this.withdrawals.add(endpoint, epoch);
    const applied = this.applied.get(endpoint);
    if (applied) {
      applied.withdrawn = true;
      applied.leaseDeadline = this.leaseDeadline(applied.route);
    }
    await kept;
    return epoch;
  }

  route(endpoint: string): AppliedRoute | undefined {
    return this.applied.get(endpoint);
  }

  endpoints(): readonly string[] {
    return [...this.applied.keys()];
  }

  /** True for an endpoint that should be served, whether or not it is. */
  isKnown(endpoint: string): boolean {
    return this.desired.has(endpoint);
  }

  /** What should be served. */
  wanted(): readonly EndpointRoute[] {
    return [...this.desired.values()];
  }

  /** True while processes of the endpoint's newest epoch are being started. */
  isConverging(endpoint: string): boolean {
    return this.converging.has(`${endpoint}/${this.desired.get(endpoint)?.epoch}`);
  }

  /** True once routes are known and each was tried: an endpoint whose model cannot start must not take the others down. */
  ready(): boolean {
    return this.loaded && [...this.desired.keys()].every((endpoint) => this.tried.has(endpoint));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.stopWatching?.();
    await this.polling;
    await Promise.all(this.converging.values());
    await this.snapshotWrites;
  }

  /** One poll at a time; a hint during one asks for another after it. */
  private poll(): Promise<void> {
    if (this.polling) {
      this.pollAgain = true;
      return this.polling;
    }
    this.polling = this.pollOnce().finally(() => {
      this.polling = undefined;
      if (this.pollAgain && !this.stopped) {
        this.pollAgain = false;
        void this.poll();
      }
    });
    return this.polling;
  }

  private async pollOnce(): Promise<void> {
    const { source, clock, events } = this.options;
    const sentAt = performance.now();
    try {
      const table = await within(LOAD_TIMEOUT_MS, source.load());
      clock.observe(table.databaseNowMs, sentAt, performance.now());
      this.loaded = true;
      this.keepIdentity(table.identity ?? "declared");
      const names = new Set(table.routes.map(({ endpoint }) => endpoint));
      for (const endpoint of this.desired.keys()) if (!names.has(endpoint)) this.forget(endpoint);
      for (const route of table.routes) this.want(route);
    } catch (problem) {
      events.onProblem("routing could not be loaded", problem);
      // What is applied stays; what is not is tried again, it may be the model's process and not Postgres that failed.
      for (const route of this.desired.values()) this.want(route);
    }
    await this.confirmAll();
  }

  private keepIdentity(identity: IdentityMode): void {
    if (identity === this.identity) return;
    this.identity = identity;
    this.saveSnapshot();
  }

  private want(route: EndpointRoute): void {
    const { endpoint, epoch } = route;
    this.desired.set(endpoint, route);
    const applied = this.applied.get(endpoint);
    if (applied?.route.epoch === epoch) this.follow(applied, route);
    this.keepWanted();
    if (this.stopped || (applied?.route.epoch === epoch && applied.complete)) return;
    const key = `${endpoint}/${epoch}`;
    if (this.converging.has(key)) return;
    this.converging.set(
      key,
      this.converge(route).finally(() => {
        this.converging.delete(key);
        this.tried.add(endpoint);
      }),
    );
  }

  /** What changes within an epoch: the lease, and what is kept of requests. */
  private follow(applied: AppliedRoute, route: EndpointRoute): void {
    applied.leaseDeadline = this.leaseDeadline(route);
    if (isDeepStrictEqual(applied.route.log, route.log)) return;
    applied.route = route;
    // A gateway that starts without Postgres must not keep what it was told not to.
    this.saveSnapshot();
  }

  private async converge(route: EndpointRoute): Promise<void> {
    const [champion, canary] = await Promise.all([this.tryStart(route, "champion"), this.tryStart(route, "canary")]);
    const latest = this.desired.get(route.endpoint);
    // A newer epoch came while the processes started: that one is converged on its own.
    if (this.stopped || !latest || latest.epoch !== route.epoch) return;
    // A promotion must not wait for the former champion.
    const complete = champion !== undefined && (canary !== undefined || isSpare(route));
    const before = this.applied.get(route.endpoint);
    if (!complete && (before || !champion)) return;
    // Incomplete only without anything served yet: then the champion alone is better than nothing, and stays unconfirmed.
    const applied: AppliedRoute = {
      route: latest,
      champion: champion ?? null,
      canary: canary ?? null,
      leaseDeadline: this.leaseDeadline(latest),
      withdrawn: this.withdrawals?.cover(latest) ?? false,
      complete,
      confirmedAt: null,
    };
    this.applied.set(route.endpoint, applied);
    this.options.events.onApplied(applied);
    this.keepWanted();
    this.saveSnapshot();
    await this.confirmAll();
  }

  /** Null where the epoch names no such version, undefined where its process could not be started. */
  private async tryStart(route: EndpointRoute, arm: "champion" | "canary"): Promise<LiveVersion | null | undefined> {
    const version: ServedVersion | null = route[arm];
    if (!version) return null;
    const label = `${route.endpoint}@${version.number}`;
    try {
      return await this.options.pool.start(label, version);
    } catch (problem) {
      this.options.events.onProblem(`${arm} ${label} of epoch ${route.epoch} could not be started`, problem);
      return undefined;
    }
  }

  private async confirmAll(): Promise<void> {
    for (const [endpoint, applied] of this.applied) {
      const isCurrent = this.desired.get(endpoint)?.epoch === applied.route.epoch;
      const isFresh = applied.confirmedAt !== null && performance.now() - applied.confirmedAt < CONFIRM_AGAIN_MS;
      if (!applied.complete || !isCurrent || isFresh) continue;
      try {
        await this.options.source.confirm(endpoint, applied.route.epoch);
        applied.confirmedAt = performance.now();
      } catch (problem) {
        this.options.events.onProblem(`epoch ${applied.route.epoch} of ${endpoint} could not be confirmed`, problem);
      }
    }
  }

  private leaseDeadline(route: EndpointRoute): number {
    if (route.leaseUntilMs === null || this.withdrawals?.cover(route)) return Number.NEGATIVE_INFINITY;
    return this.options.clock.deadline(route.leaseUntilMs);
  }

  private forget(endpoint: string): void {
    this.desired.delete(endpoint);
    this.tried.delete(endpoint);
    if (this.applied.delete(endpoint)) this.saveSnapshot();
    this.keepWanted();
  }

  private keepWanted(): void {
    const wanted = new Set<string>();
    for (const route of this.desired.values()) {
      for (const version of [route.champion, route.canary]) if (version) wanted.add(version.versionId);
    }
    for (const { champion, canary } of this.applied.values()) {
      for (const live of [champion, canary]) if (live) wanted.add(live.version.versionId);
    }
    this.options.pool.keep(wanted);
  }

  private saveSnapshot(): void {
    const routes = [...this.applied.values()].map(({ route }) => route);
    this.snapshotWrites = this.snapshotWrites
      .then(() => writeRoutingSnapshot(this.options.snapshotPath, { identity: this.identity, routes }))
      .catch((problem: unknown) => this.options.events.onProblem("the routing snapshot could not be written", problem));
  }
}

/** Whether the canary is the former champion, kept warm without a share while its successor is observed. */
export const isSpare = ({ canaryBasisPoints, shadowBasisPoints }: EndpointRoute): boolean =>
  canaryBasisPoints === 0 && shadowBasisPoints === undefined;

async function within<Value>(ms: number, work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
