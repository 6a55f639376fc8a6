import { and, eq, gt, isNotNull, sql } from "drizzle-orm";

import type { VersionReport } from "../../contracts/inference.ts";
import type { CanaryHealth, ShadowCounts } from "../../contracts/rollout.ts";
import type { Queryable } from "../client.ts";
import { sameEvidence } from "./epoch-counts.ts";
import { gateway, gatewayReport, routingEpoch } from "../schema/routing.ts";

/** Channel of NOTIFY when a gateway reports trouble with a version; the payload begins with endpoint and epoch. */
export const TROUBLE_CHANNEL = "modelwright_trouble";

/** Keeps what a gateway sees of a version; its newest word counts. */
export async function reportVersion(db: Queryable, { gateway: id, ...report }: VersionReport & { gateway: string }) {
  const { endpoint, epoch, versionId, exits, unreadyMs, schemaMismatches, shadow } = report;
  const counts = shadow && JSON.stringify(shadow);
  await db.execute(sql`SELECT report_version(${id}, ${endpoint}, ${epoch}, ${versionId}::uuid, ${exits}::int,
    ${unreadyMs}::float8, ${schemaMismatches}::int, ${counts}::jsonb)`);
}

interface Question {
  readonly endpoint: string;
  readonly rollout: string;
}

/** What live gateways say of a version in the endpoint's newest epoch, by gateway. */
export async function listReports(
  db: Queryable,
  { endpoint, version, maximumAgeMs }: { endpoint: string; version: string; maximumAgeMs: number },
): Promise<NonNullable<CanaryHealth["gateways"]>> {
  const rows = await db
    .select({
      gateway: gatewayReport.gateway,
      exits: gatewayReport.exits,
      unreadyMs: sql`coalesce(extract(epoch FROM clock_timestamp() - ${gatewayReport.unreadySince}) * 1000, 0)`.mapWith(
        (value) => Math.max(0, Math.round(Number(value))),
      ),
      schemaMismatches: gatewayReport.schemaMismatches,
    })
    .from(gatewayReport)
    .innerJoin(gateway, eq(gateway.id, gatewayReport.gateway))
    .where(
      and(
        eq(gatewayReport.endpoint, endpoint),
        eq(gatewayReport.version, version),
        eq(gatewayReport.epoch, sql`(SELECT current_epoch FROM endpoint WHERE name = ${endpoint})`),
        gt(gateway.seenAt, sql`clock_timestamp() - ${maximumAgeMs} * interval '1 millisecond'`),
      ),
    )
    .orderBy(gatewayReport.gateway);
  return rows;
}

/** What all gateways mirrored for a rollout, those that left included. */
export async function countShadow(db: Queryable, { endpoint, rollout }: Question): Promise<ShadowCounts> {
  const rows = await db
    .select({ shadow: gatewayReport.shadow })
    .from(gatewayReport)
    .innerJoin(
      routingEpoch,
      and(eq(routingEpoch.endpoint, gatewayReport.endpoint), eq(routingEpoch.epoch, gatewayReport.epoch)),
    )
    .where(
      and(
        eq(gatewayReport.endpoint, endpoint),
        sql`${routingEpoch.rollout} IN ${sameEvidence(rollout)}`,
        eq(gatewayReport.version, routingEpoch.canaryVersion),
        isNotNull(gatewayReport.shadow),
      ),
    );
  const total = { mirrored: 0, shed: 0, errors: 0, compared: 0, disagreed: 0 };
  const difference = { scoreDifferenceSum: 0, scoreDifferenceMaximum: 0 };
  for (const { shadow } of rows) {
    if (!shadow) continue;
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += shadow[name];
    difference.scoreDifferenceSum += shadow.scoreDifferenceSum;
    difference.scoreDifferenceMaximum = Math.max(difference.scoreDifferenceMaximum, shadow.scoreDifferenceMaximum);
  }
  return { ...total, ...difference };
}
