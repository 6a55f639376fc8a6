import type { EndpointRoute, ServedVersion } from "../contracts/inference.ts";
import type { Database } from "../db/client.ts";
import { listenTo } from "../db/listen.ts";
import { confirmRoute, recordGatewaySeen } from "../db/queries/gateway.ts";
import { reportVersion } from "../db/queries/gateway-report.ts";
import { loadIdentityMode } from "../db/queries/identity.ts";
import { loadRouting, ROUTING_CHANNEL, type RoutedVersion, type Routing } from "../db/queries/routing.ts";
import type { RouteSource } from "./route-source.ts";

export interface DatabaseRoutesOptions {
  readonly database: Database;
  readonly url: string;
  /** Its id. */
  readonly gateway: string;
  /** Where it answers; null while it does not yet. */
  readonly address: () => string | null;
}

/**
 * The route source of production: Postgres, with a connection of its own to be told of changes. Each load says that this gateway lives,
 * and where.
 */
export function createDatabaseRoutes({ database, url, gateway, address }: DatabaseRoutesOptions): RouteSource {
  return {
    load: async () => {
      const seenAt = await recordGatewaySeen(database, gateway, address());
      const routings = await loadRouting(database);
      const identity = await loadIdentityMode(database);
      return {
        databaseNowMs: (routings[0]?.databaseTime ?? seenAt).getTime(),
        identity,
        routes: routings.map(toRoute),
      };
    },
    confirm: (endpoint, epoch) => confirmRoute(database, { gateway, endpoint, epoch }),
    report: (report) => reportVersion(database, { gateway, ...report }),
    watch: (onChange) => {
      const listener = listenTo({ url, channel: ROUTING_CHANNEL, onTold: () => onChange() });
      return () => listener.close();
    },
  };
}

function toRoute(routing: Routing): EndpointRoute {
  const { endpoint, epoch, champion, canary, canaryShare, shadowShare, salt, leaseUntil, model, environment } = routing;
  return {
    endpoint,
    epoch,
    champion: champion && toVersion(champion),
    canary: canary && toVersion(canary),
    canaryBasisPoints: canaryShare,
    ...(shadowShare > 0 && { shadowBasisPoints: shadowShare }),
    salt,
    leaseUntilMs: leaseUntil ? leaseUntil.getTime() : null,
    place: { model, environment },
    ...(routing.log && { log: routing.log }),
    ...(routing.counting && { counting: routing.counting }),
  };
}

function toVersion({ versionId, number, digest, signature, optimization }: RoutedVersion): ServedVersion {
  return { versionId, number, digest, signature, ...(optimization === null ? {} : { optimization }) };
}
