import { performance } from "node:perf_hooks";
import { Failure } from "../contracts/failures.ts";
import type { ServedVersion } from "../contracts/inference.ts";
import type { Digest } from "../contracts/primitives.ts";
import { loadServingRecord } from "./serving-record.ts";
import { residentBytes } from "../adapters/inference/resident-bytes.ts";
import { startModelProcess, type ModelProcess, type ModelProcessOptions } from "../adapters/inference/model-process.ts";

/** A version whose process is up. */
export interface LiveVersion {
  readonly version: ServedVersion;
  readonly process: ModelProcess;
}

export interface VersionPoolOptions {
  /** A local file with exactly these bytes. */
  readonly localPath: (digest: Digest) => Promise<string>;
  /** How long a version that no route names stays warm, so that going back to it is instant; 10 s by default. */
  readonly graceMs?: number;
  /**
   * What all models' processes together may hold, resident; no bound by default. Beyond it versions that no route names are closed
   * before their grace is over, the one first that was wanted last longest ago. What a route names stays, whatever it takes.
   */
  readonly memoryBudgetBytes?: number;
  /** How long a version that could not start is left alone; 5 s by default. */
  readonly retryMs?: number;
  readonly onBatch?: (
    label: string,
    version: ServedVersion,
    batch: Parameters<NonNullable<ModelProcessOptions["onBatch"]>>[0],
  ) => void;
  readonly onExit?: (label: string, exit: string, version: ServedVersion) => void;
  /** What goes before the version's own record. */
  readonly process?: Pick<
    ModelProcessOptions,
    "maximumBatchRows" | "batchWaitMs" | "maximumWaitingRows" | "requestTimeoutMs" | "intraOpThreads"
  >;
}

/** One process a model version, started once however many ask, and closed when no route has named it for a while. */
export interface VersionPool {
  /** @throws what starting its process threw, also for the next `retryMs` without trying again */
  readonly start: (label: string, version: ServedVersion) => Promise<LiveVersion>;
  /** Forgets that versions could not be started, so that the next `start` tries them at once. */
  readonly forgive: (versionIds: readonly string[]) => void;
  /**
   * Closes the versions whose labels are asked for, and waits until their processes are gone.
   *
   * @returns labels of those closed
   * @throws REQUEST_REFUSED where a route names one of them; nothing is closed then
   */
  readonly unload: (isAsked: (label: string) => boolean) => Promise<readonly string[]>;
  /** Says which versions are wanted; the others are closed after the grace, when they have answered what they have taken. */
  readonly keep: (versionIds: ReadonlySet<string>) => void;
  readonly close: () => Promise<void>;
}

interface Member {
  readonly label: string;
  readonly live: Promise<LiveVersion>;
  /** Set when starting failed. */
  failedAt: number | null;
  unwanted: NodeJS.Timeout | null;
  /** Reading of `performance.now()` when routes stopped naming it. */
  unwantedSince: number;
}

export function createVersionPool(options: VersionPoolOptions): VersionPool {
  const { graceMs = 10_000, retryMs = 5_000 } = options;
  const members = new Map<string, Member>();
  const closings = new Set<Promise<void>>();

  const launch = async (label: string, version: ServedVersion): Promise<LiveVersion> => {
    const path = await options.localPath(version.digest);
    const { optimization } = version;
    const process = await startModelProcess({
      ...options.process,
      record: optimization === undefined ? null : await loadServingRecord(optimization, options.localPath),
      label,
      path,
      digest: version.digest,
      signature: version.signature,
      onBatch: (batch) => options.onBatch?.(label, version, batch),
      onExit: (exit) => options.onExit?.(label, exit, version),
    });
    return { version, process };
  };

  const dismiss = (versionId: string, member: Member): Promise<void> => {
    if (member.unwanted) clearTimeout(member.unwanted);
    if (members.get(versionId) === member) members.delete(versionId);
    const closing = member.live.then(
      ({ process }) => process.close(),
      () => undefined,
    );
    closings.add(closing);
    void closing.finally(() => closings.delete(closing));
    return closing;
  };

  const evict = (): Promise<void> => closeCold(members, options.memoryBudgetBytes, dismiss);

  return {
    start: (label, version) => {
      const known = members.get(version.versionId);
      if (known && (known.failedAt === null || performance.now() - known.failedAt < retryMs)) return known.live;
      const live = launch(label, version);
      const member: Member = { label, live, failedAt: null, unwanted: null, unwantedSince: 0 };
      live.then(evict, () => {
        member.failedAt = performance.now();
      });
      members.set(version.versionId, member);
      return member.live;
    },
    forgive: (versionIds) => {
      for (const versionId of versionIds) {
        const member = members.get(versionId);
        if (member && member.failedAt !== null) member.failedAt = Number.NEGATIVE_INFINITY;
      }
    },
    unload: async (isAsked) => {
      const asked = chooseUnneeded(members, isAsked);
      await Promise.all(asked.map(([versionId, member]) => dismiss(versionId, member)));
      return asked.map(([, { label }]) => label);
    },
    keep: (versionIds) => {
      for (const [versionId, member] of members) {
        if (versionIds.has(versionId)) {
          if (member.unwanted) clearTimeout(member.unwanted);
          member.unwanted = null;
        } else {
          if (member.unwanted !== null) continue;
          member.unwantedSince = performance.now();
          member.unwanted = setTimeout(() => void dismiss(versionId, member), graceMs);
          void evict();
        }
      }
    },
    close: async () => {
      for (const [versionId, member] of members) void dismiss(versionId, member);
      await Promise.all(closings);
    },
  };
}

/** @throws REQUEST_REFUSED 409 where a route names one of those that are asked for */
function chooseUnneeded(
  members: ReadonlyMap<string, Member>,
  isAsked: (label: string) => boolean,
): readonly (readonly [versionId: string, member: Member])[] {
  const asked = [...members].filter(([, { label }]) => isAsked(label));
  const needed = asked.filter(([, { unwanted }]) => unwanted === null).map(([, { label }]) => label);
  if (needed.length === 0) return asked;
  const allowed = "versions that no route names; take it out of the route first";
  throw new Failure("REQUEST_REFUSED", { status: 409, found: `a route needs ${needed.join(", ")}`, allowed });
}

/** Closes versions that no route names until what is left is within the budget, or all of them are closed. */
async function closeCold(
  members: ReadonlyMap<string, Member>,
  budgetBytes: number | undefined,
  dismiss: (versionId: string, member: Member) => Promise<void>,
): Promise<void> {
  if (budgetBytes === undefined) return;
  const sizes = await Promise.all(
    [...members].map(async ([versionId, member]) => ({ versionId, member, bytes: await residentOf(member) })),
  );
  let total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  const cold = sizes.filter(({ member }) => member.unwanted !== null);
  for (const { versionId, member, bytes } of cold.toSorted((a, b) => a.member.unwantedSince - b.member.unwantedSince)) {
    if (total <= budgetBytes) return;
    // It may have been wanted again, or closed, while the sizes were read.
    if (member.unwanted === null || members.get(versionId) !== member) continue;
    total -= bytes;
    void dismiss(versionId, member);
  }
}

async function residentOf({ live }: Member): Promise<number> {
  const pid = await live.then(
    ({ process }) => process.pid(),
    () => undefined,
  );
  return pid === undefined ? 0 : await residentBytes(pid);
}
