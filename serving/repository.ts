import { Failure } from "../contracts/failures.ts";
import type { Withdrawn } from "../contracts/inference.ts";
import { refuse } from "./http/answer.ts";
import type { ServingRoutes } from "./routing-table.ts";
import type { VersionPool } from "./version-pool.ts";

/** What operators may do to the processes of an endpoint's versions. Which versions serve is the route's to say, and only its. */
export interface Repository {
  /**
   * Starts what the endpoint's route names and is not up, now and not after the usual pause.
   *
   * @throws ENDPOINT_UNKNOWN; ENDPOINT_NOT_READY where it could not be started
   */
  readonly load: (endpoint: string) => Promise<void>;
  /**
   * Ends the processes of versions kept warm that no route names.
   *
   * @param version null for all of the endpoint's
   * @throws ENDPOINT_UNKNOWN where there is none; REQUEST_REFUSED 409 where the route needs one of them
   */
  readonly unload: (endpoint: string, version: string | null) => Promise<void>;
  /**
   * Takes the endpoint's canary back at this gateway, until its next epoch: what a rollout's end asks of each gateway it can reach
   * while Postgres cannot tell them.
   *
   * @throws ENDPOINT_UNKNOWN; REQUEST_REFUSED 409 where there is no champion to answer; STORAGE_UNAVAILABLE when it holds, and
   * would not survive a restart
   */
  readonly withdraw: (endpoint: string) => Promise<Withdrawn>;
}

export function createRepository(routes: ServingRoutes, pool: VersionPool): Repository {
  return {
    load: async (endpoint) => {
      const wanted = routes.wanted().find((route) => route.endpoint === endpoint);
      if (!wanted) throw new Failure("ENDPOINT_UNKNOWN", { endpoint, found: routes.endpoints().join(", ") });
      pool.forgive([wanted.champion, wanted.canary].flatMap((version) => version?.versionId ?? []));
      await routes.refresh();
      if (routes.route(endpoint)?.complete) return;
      throw new Failure("ENDPOINT_NOT_READY", { endpoint, reason: "not every version of its route could be started" });
    },
    unload: async (endpoint, version) => {
      const isAsked = (label: string): boolean =>
        version === null ? label.startsWith(`${endpoint}@`) : label === `${endpoint}@${version}`;
      const closed = await pool.unload(isAsked);
      if (closed.length > 0) return;
      // A route whose model could not be started has no process, and is still nothing to unload.
      if (version === null && routes.isKnown(endpoint)) {
        throw refuse(409, `${endpoint} is routed`, "what no route names; take it out of the route first");
      }
      const found = routes.endpoints().join(", ");
      throw new Failure("ENDPOINT_UNKNOWN", {
        endpoint: version === null ? endpoint : `${endpoint}, version ${version}`,
        found,
      });
    },
    withdraw: async (endpoint) => {
      if (routes.route(endpoint)?.champion === null) {
        throw refuse(409, `${endpoint} has no champion`, "one that a champion answers for");
      }
      const epoch = await routes.withdraw(endpoint).catch((cause: unknown) => {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new Failure("STORAGE_UNAVAILABLE", { what: "the gateway's folder", reason }, { cause });
      });
      if (epoch !== null) return { endpoint, epoch };
      throw new Failure("ENDPOINT_UNKNOWN", { endpoint, found: routes.endpoints().join(", ") });
    },
  };
}
