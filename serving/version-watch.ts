import { performance } from "node:perf_hooks";
import type { VersionReport } from "../contracts/inference.ts";
import type { Mirror } from "./mirror.ts";
import type { ServingRoutes } from "./routing-table.ts";
import type { LiveVersion } from "./version-pool.ts";

const EXIT_WINDOW_MS = 10 * 60_000;

export interface VersionWatchOptions {
  readonly routes: Pick<ServingRoutes, "endpoints" | "route">;
  readonly mirror: Pick<Mirror, "counts" | "forget">;
  readonly report: (report: VersionReport) => Promise<void>;
  readonly onProblem: (what: string, problem: unknown) => void;
  /** 1 s by default. */
  readonly everyMs?: number;
}

/** Tells the database how the versions of a rollout fare on this gateway: what its tripwires are judged by. */
export interface VersionWatch {
  /** Its process ended by itself. */
  readonly exited: (versionId: string) => void;
  /** It answered with other tensors than its signature says. */
  readonly mismatched: (versionId: string) => void;
  readonly start: () => void;
  readonly stop: () => Promise<void>;
}

/** Reports what changed every second, and trouble at once; again and again until the database has taken it. */
export function createVersionWatch(options: VersionWatchOptions): VersionWatch {
  const exits = new Map<string, number[]>();
  const mismatches = new Map<string, number>();
  const unreadySince = new Map<string, number>();
  const taken = new Map<string, string>();
  let timer: NodeJS.Timeout | undefined;
  let telling = Promise.resolve();

  const describe = ({ version, process }: LiveVersion): Omit<VersionReport, "endpoint" | "epoch" | "shadow"> => {
    const { versionId } = version;
    const now = performance.now();
    const recent = (exits.get(versionId) ?? []).filter((at) => now - at < EXIT_WINDOW_MS);
    exits.set(versionId, recent);
    if (process.pid() !== undefined) unreadySince.delete(versionId);
    else if (!unreadySince.has(versionId)) unreadySince.set(versionId, now);
    const since = unreadySince.get(versionId);
    return {
      versionId,
      exits: recent.length,
      unreadyMs: since === undefined ? 0 : Math.max(1, Math.round(now - since)),
      schemaMismatches: mismatches.get(versionId) ?? 0,
    };
  };

  /** Of every epoch with two versions: only a rollout has one. */
  const present = (): VersionReport[] =>
    options.routes.endpoints().flatMap((endpoint) => {
      const applied = options.routes.route(endpoint);
      if (!applied?.canary) return [];
      const { epoch } = applied.route;
      return [applied.champion, applied.canary].flatMap((live) => {
        if (!live) return [];
        const shadow = live === applied.canary ? (options.mirror.counts().get(`${endpoint}/${epoch}`) ?? null) : null;
        return [{ endpoint, epoch, ...describe(live), shadow: shadow && { ...shadow } }];
      });
    });

  const tell = async (): Promise<void> => {
    const reports = present();
    const keys = new Set(reports.map(keyOf));
    for (const key of taken.keys()) if (!keys.has(key)) taken.delete(key);
    for (const report of reports) {
      const said = JSON.stringify(report);
      if (taken.get(keyOf(report)) === said) continue;
      try {
        await options.report(report);
        taken.set(keyOf(report), said);
      } catch (problem) {
        options.onProblem(`how ${report.endpoint} fares could not be reported`, problem);
      }
    }
    const epochs = new Set(reports.map(({ endpoint, epoch }) => `${endpoint}/${epoch}`));
    for (const key of options.mirror.counts().keys()) if (!epochs.has(key)) options.mirror.forget(key);
  };
  const soon = () => {
    telling = telling.then(tell);
    return telling;
  };
  return {
    exited: (versionId) => {
      exits.set(versionId, [...(exits.get(versionId) ?? []), performance.now()]);
      void soon();
    },
    mismatched: (versionId) => {
      const before = mismatches.get(versionId) ?? 0;
      mismatches.set(versionId, before + 1);
      // One is enough to go back; the others are told with the next report.
      if (before === 0) void soon();
    },
    start: () => {
      timer = setInterval(() => void soon(), options.everyMs ?? 1000);
    },
    stop: async () => {
      clearInterval(timer);
      await soon();
    },
  };
}

const keyOf = ({ endpoint, epoch, versionId }: VersionReport) => `${endpoint}/${epoch}/${versionId}`;
