import type { ServedVersion } from "../contracts/inference.ts";

interface CountedRequest {
  readonly endpoint: string;
  readonly version: Pick<ServedVersion, "versionId" | "number">;
  readonly outcome: "ok" | "error";
  readonly rowCount: number;
  readonly latencyMs: number;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

interface Duration {
  readonly count: number;
  /** Sum over the requests, nanoseconds. */
  readonly ns: number;
}

/** One version of one endpoint since this gateway started, in the shape of Triton's statistics extension. */
export interface ModelStatistics {
  readonly name: string;
  readonly version: string;
  /** Milliseconds since 1970; 0 before the first. */
  readonly last_inference: number;
  /** Rows that were answered. */
  readonly inference_count: number;
  /** Runs of the version's process, each a batch of rows; endpoints that serve the same version share it. */
  readonly execution_count: number;
  readonly inference_stats: { readonly success: Duration; readonly fail: Duration };
}

/**
 * Counts a version at a time. The protocol's queue and compute times are left out: a run belongs to many requests, and
 * nobody measures them apart here.
 */
export interface InferenceStatistics {
  readonly countRequest: (request: CountedRequest) => void;
  readonly countExecution: (versionId: string) => void;
  readonly read: (endpoint: string, version: Pick<ServedVersion, "versionId" | "number">) => ModelStatistics;
}

interface Counts {
  lastMs: number;
  rowCount: number;
  readonly ok: { count: number; ms: number };
  readonly error: { count: number; ms: number };
}

export function createStatistics(): InferenceStatistics {
  const requests = new Map<string, Counts>();
  const executions = new Map<string, number>();
  const key = (endpoint: string, versionId: string) => `${versionId} ${endpoint}`;
  return {
    countRequest: ({ endpoint, version, outcome, rowCount, latencyMs, nowMs }) => {
      const place = key(endpoint, version.versionId);
      const counts = requests.get(place) ?? none();
      requests.set(place, counts);
      counts.lastMs = nowMs;
      counts[outcome].count++;
      counts[outcome].ms += latencyMs;
      if (outcome === "ok") counts.rowCount += rowCount;
    },
    countExecution: (versionId) => executions.set(versionId, (executions.get(versionId) ?? 0) + 1),
    read: (endpoint, { versionId, number }) => {
      const { lastMs, rowCount, ok, error } = requests.get(key(endpoint, versionId)) ?? none();
      return {
        name: endpoint,
        version: String(number),
        last_inference: Math.floor(lastMs),
        inference_count: rowCount,
        execution_count: executions.get(versionId) ?? 0,
        inference_stats: { success: duration(ok), fail: duration(error) },
      };
    },
  };
}

const none = (): Counts => ({ lastMs: 0, rowCount: 0, ok: { count: 0, ms: 0 }, error: { count: 0, ms: 0 } });
const duration = ({ count, ms }: Counts["ok"]): Duration => ({ count, ns: Math.round(ms * 1e6) });
