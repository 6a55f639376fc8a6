import { createHash } from "node:crypto";
import { Failure } from "../contracts/failures.ts";
import type { Arm } from "../contracts/names.ts";
import { assignArm } from "../core/rollout/assign.ts";
import { isSpare, type AppliedRoute } from "./routing-table.ts";
import type { LiveVersion } from "./version-pool.ts";

export interface Choice {
  readonly arm: Arm;
  /** True when the epoch's shares decided; see `PredictionRecord`. */
  readonly assigned: boolean;
  readonly live: LiveVersion;
}

const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest();

/**
 * Which version answers a request.
 *
 * @param key what sticks to one arm: the routing key, or the request's id where there is none
 * @param now reading of `performance.now()`; the canary has its share only before the lease's deadline, and the former champion everything
 * where its successor was withdrawn
 * @throws ENDPOINT_NOT_READY when there is no champion and the canary has no share now
 */
export function chooseArm(applied: AppliedRoute, key: string, now: number): Choice {
  const { route, champion, canary } = applied;
  const { salt, canaryBasisPoints } = route;
  if (applied.withdrawn && isSpare(route) && canary) return { arm: "canary", assigned: false, live: canary };
  const isLeased = canary !== null && now < applied.leaseDeadline;
  if (isLeased && canaryBasisPoints > 0) {
    if (!champion || assignArm({ salt, key, canaryBasisPoints, hash: sha256 }) === "canary") {
      return { arm: "canary", assigned: true, live: canary };
    }
  }
  if (champion) return { arm: "champion", assigned: isLeased || canaryBasisPoints === 0, live: champion };
  throw new Failure("ENDPOINT_NOT_READY", {
    endpoint: route.endpoint,
    reason: "it has no champion yet and its canary's lease is over",
  });
}

/**
 * The version a client named, where it is served now. Such a request was not assigned.
 *
 * @throws ENDPOINT_UNKNOWN
 */
export function chooseVersion(applied: AppliedRoute, version: string): Choice {
  const { champion, canary } = applied;
  if (champion && String(champion.version.number) === version)
    return { arm: "champion", assigned: false, live: champion };
  if (canary && String(canary.version.number) === version) return { arm: "canary", assigned: false, live: canary };
  const found = [champion, canary].filter((live) => live !== null).map((live) => String(live.version.number));
  throw new Failure("ENDPOINT_UNKNOWN", {
    endpoint: `${applied.route.endpoint}, version ${version}`,
    found: `versions ${found.join(", ")}`,
  });
}
