import { createHash } from "node:crypto";
import { Failure } from "../contracts/failures.ts";
import type { Arm } from "../contracts/names.ts";
import { assignArm } from "../core/rollout/assign.ts";
import type { AppliedRoute } from "./routing-table.ts";
import type { LiveVersion } from "./version-pool.ts";

export interface Choice {
  readonly arm: Arm;
  /** 0: the client named the version. */
  readonly epoch: number;
  readonly live: LiveVersion;
}

export const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest();

/**
 * Which version answers a request.
 *
 * @param key what sticks to one arm: the routing key, or the request's id where there is none
 * @param now reading of `performance.now()`; the canary has its share only before the lease's deadline
 * @throws ENDPOINT_NOT_READY when there is no champion and the canary has no share now
 */
export function chooseArm(applied: AppliedRoute, key: string, now: number): Choice {
  const { route, champion, canary } = applied;
  const { epoch, salt, canaryBasisPoints } = route;
  if (canary && canaryBasisPoints > 0 && now < applied.leaseDeadline) {
    if (!champion || assignArm({ salt, key, canaryBasisPoints, hash: sha256 }) === "canary") {
      return { arm: "canary", epoch, live: canary };
    }
  }
  if (champion) return { arm: "champion", epoch, live: champion };
  throw new Failure("ENDPOINT_NOT_READY", {
    endpoint: route.endpoint,
    reason: "it has no champion yet and its canary's lease is over",
  });
}

/**
 * The version a client named, where it is served now. Such a request was not assigned, so it counts for no epoch.
 *
 * @throws ENDPOINT_UNKNOWN
 */
export function chooseVersion(applied: AppliedRoute, version: string): Choice {
  const { champion, canary } = applied;
  if (champion && String(champion.version.number) === version) return { arm: "champion", epoch: 0, live: champion };
  if (canary && String(canary.version.number) === version) return { arm: "canary", epoch: 0, live: canary };
  const found = [champion, canary].filter((live) => live !== null).map((live) => String(live.version.number));
  throw new Failure("ENDPOINT_UNKNOWN", {
    endpoint: `${applied.route.endpoint}, version ${version}`,
    found: `versions ${found.join(", ")}`,
  });
}
