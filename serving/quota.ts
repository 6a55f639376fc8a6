import { Failure } from "../contracts/failures.ts";

/** Requests a caller may make. */
export interface Quota {
  /**
   * Takes one of the caller's requests.
   *
   * @param client what tells callers apart
   * @param called what the caller is told it is
   * @throws QUOTA_EXCEEDED
   */
  readonly take: (client: string, called: string) => void;
}

export interface QuotaOptions {
  /** Of one caller, in the long run. */
  readonly requestsPerSecond: number;
  /** At once, after a pause; a second's worth by default. */
  readonly burst?: number;
  /** A clock that only goes forward, milliseconds. */
  readonly nowMs: () => number;
}

/** Callers remembered; the one that was silent for longest is forgotten first, and starts anew. */
const CLIENTS_AT_MOST = 10_000;

/** A token bucket a caller. */
export function createQuota({ requestsPerSecond, burst = Math.max(1, requestsPerSecond), nowMs }: QuotaOptions): Quota {
  const buckets = new Map<string, { readonly left: number; readonly at: number }>();
  return {
    take: (client, called) => {
      const at = nowMs();
      const before = buckets.get(client) ?? { left: burst, at };
      const left = Math.min(burst, before.left + ((at - before.at) / 1000) * requestsPerSecond);
      // Again, so that the map stays in the order of use.
      buckets.delete(client);
      const [oldest] = buckets.keys();
      if (buckets.size >= CLIENTS_AT_MOST && oldest !== undefined) buckets.delete(oldest);
      buckets.set(client, { left: left < 1 ? left : left - 1, at });
      if (left >= 1) return;
      const waitMs = Math.ceil(((1 - left) / requestsPerSecond) * 1000);
      throw new Failure("QUOTA_EXCEEDED", { client: called, allowedPerSecond: requestsPerSecond, waitMs });
    },
  };
}
