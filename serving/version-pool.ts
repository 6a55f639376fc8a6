import { performance } from "node:perf_hooks";
import type { ServedVersion } from "../contracts/inference.ts";
import type { Digest } from "../contracts/primitives.ts";
import { loadServingRecord } from "./serving-record.ts";
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
  /** Says which versions are wanted; the others are closed after the grace, when they have answered what they have taken. */
  readonly keep: (versionIds: ReadonlySet<string>) => void;
  readonly close: () => Promise<void>;
}

interface Member {
  readonly live: Promise<LiveVersion>;
  /** Set when starting failed. */
  failedAt: number | null;
  unwanted: NodeJS.Timeout | null;
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

  const dismiss = (versionId: string, member: Member): void => {
    if (member.unwanted) clearTimeout(member.unwanted);
    if (members.get(versionId) === member) members.delete(versionId);
    const closing = member.live.then(
      ({ process }) => process.close(),
      () => undefined,
    );
    closings.add(closing);
    void closing.finally(() => closings.delete(closing));
  };

  return {
    start: (label, version) => {
      const known = members.get(version.versionId);
      if (known && (known.failedAt === null || performance.now() - known.failedAt < retryMs)) return known.live;
      const member: Member = { live: launch(label, version), failedAt: null, unwanted: null };
      member.live.catch(() => {
        member.failedAt = performance.now();
      });
      members.set(version.versionId, member);
      return member.live;
    },
    keep: (versionIds) => {
      for (const [versionId, member] of members) {
        if (versionIds.has(versionId)) {
          if (member.unwanted) clearTimeout(member.unwanted);
          member.unwanted = null;
        } else {
          member.unwanted ??= setTimeout(() => dismiss(versionId, member), graceMs);
        }
      }
    },
    close: async () => {
      for (const [versionId, member] of members) dismiss(versionId, member);
      await Promise.all(closings);
    },
  };
}
