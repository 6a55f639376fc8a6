import { and, asc, eq, gt, sql } from "drizzle-orm";

import type { Queryable } from "../client.ts";
import { rowsOf } from "../record-rows.ts";
import { gateway, gatewayRoute } from "../schema/routing.ts";

// One statement each, on any connection: this is observed state, and a gateway has nothing to commit it with.

/** Says that a gateway lives, and where it answers, once it does. Returns database time. */
export async function recordGatewaySeen(db: Queryable, id: string, address: string | null = null): Promise<Date> {
  const [seen] = await rowsOf(db, gateway, sql`record_gateway_at(${id}, ${address})`);
  if (!seen) throw new Error(`gateway ${id} was not recorded`);
  return seen.seenAt;
}

/**
 * Says that a gateway, seen before, applies an epoch of an endpoint. A late message about an older epoch changes nothing: a
 * gateway never goes back.
 */
export async function confirmRoute(
  db: Queryable,
  route: { gateway: string; endpoint: string; epoch: number },
): Promise<void> {
  await db.execute(sql`SELECT confirm_route(${route.gateway}, ${route.endpoint}, ${route.epoch})`);
}

/** A gateway that stops in order is not waited for. */
export async function removeGateway(db: Queryable, id: string): Promise<void> {
  await db.execute(sql`SELECT remove_gateway(${id})`);
}

export interface LiveGateway {
  readonly id: string;
  readonly seenAt: Date;
  /** Where it answers; null where it does not say. */
  readonly address: string | null;
  /** Applied epoch by endpoint. */
  readonly routes: ReadonlyMap<string, number>;
}

/** Gateways seen within `maximumAgeMs` of database time, by id. */
export async function liveGateways(db: Queryable, { maximumAgeMs }: { maximumAgeMs: number }): Promise<LiveGateway[]> {
  const rows = await db
    .select({
      id: gateway.id,
      seenAt: gateway.seenAt,
      address: gateway.address,
      endpoint: gatewayRoute.endpoint,
      epoch: gatewayRoute.epoch,
    })
    .from(gateway)
    .leftJoin(gatewayRoute, and(eq(gatewayRoute.gateway, gateway.id)))
    .where(gt(gateway.seenAt, sql`clock_timestamp() - ${maximumAgeMs} * interval '1 millisecond'`))
    .orderBy(asc(gateway.id));
  const gateways = new Map<string, LiveGateway & { readonly routes: Map<string, number> }>();
  for (const { id, seenAt, address, endpoint, epoch } of rows) {
    const found = gateways.get(id) ?? { id, seenAt, address, routes: new Map<string, number>() };
    if (endpoint !== null && epoch !== null) found.routes.set(endpoint, epoch);
    gateways.set(id, found);
  }
  return [...gateways.values()];
}
