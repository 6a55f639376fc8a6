import { aliasedTable, and, asc, desc, eq, inArray, isNotNull, ne, sql } from "drizzle-orm";

import type { PgColumn } from "drizzle-orm/pg-core";

import type { Counting } from "../../contracts/inference.ts";
import type { LogSettings } from "../../contracts/log-settings.ts";
import type { RolloutPlan } from "../../contracts/rollout.ts";
import type { ModelSignature } from "../../contracts/signature.ts";
import type { Queryable } from "../client.ts";
import { modelVersion } from "../schema/model.ts";
import { rollout } from "../schema/rollout.ts";
import { endpoint, routingEpoch } from "../schema/routing.ts";
import { logSettingsInForce } from "./log-settings.ts";
import type { ModelVersion } from "./model.ts";

/** Channel of NOTIFY on every new epoch; the payload is the endpoint's name. */
export const ROUTING_CHANNEL = "modelwright_routing";

/** A version as a gateway needs it. */
export interface RoutedVersion {
  readonly versionId: string;
  readonly model: string;
  readonly number: number;
  readonly digest: string;
  readonly signature: ModelSignature;
  /** Digest of the report of the optimization that chose it, or null where none did. */
  readonly optimization: string | null;
}

/** What an endpoint routes to in one epoch. */
export interface Routing {
  readonly endpoint: string;
  readonly environment: string;
  readonly model: string;
  readonly epoch: number;
  readonly champion: RoutedVersion | null;
  readonly canary: RoutedVersion | null;
  /** Basis points; the champion has the rest. */
  readonly canaryShare: number;
  /** Basis points of the champion's requests that are mirrored to the canary. */
  readonly shadowShare: number;
  readonly salt: string;
  readonly rollout: string | null;
  readonly reason: string;
  readonly createdBy: string;
  readonly createdAt: Date;
  /** Database time until when the canary's share is valid; null without a canary and for a past moment. */
  readonly leaseUntil: Date | null;
  /** What looks of the epoch's rollout count by; null outside rollouts. */
  readonly counting: Counting | null;
  /** What is kept of requests; null where nothing was said. */
  readonly log: LogSettings | null;
  /** When the database answered: what `leaseUntil` is compared with, so that no other clock matters. */
  readonly databaseTime: Date;
}

export interface RoutingQuestion {
  readonly endpoint?: string;
  /** Endpoints of these models. */
  readonly models?: readonly string[];
  /** A past moment of database time, ISO. */
  readonly asOf?: string;
}

/** The routing of endpoints that serve something, by name: of one, of some models, or of all; current, or as of a past moment. */
export async function loadRouting(db: Queryable, options: RoutingQuestion = {}): Promise<Routing[]> {
  const champion = aliasedTable(modelVersion, "champion");
  const canary = aliasedTable(modelVersion, "canary");
  const { asOf } = options;
  const wantedEpoch =
    asOf === undefined
      ? endpoint.currentEpoch
      : sql`(SELECT max(past.epoch) FROM routing_epoch AS past
             WHERE past.endpoint = ${endpoint.name} AND past.created_at <= ${asOf}::timestamptz)`;
  const rows = await db
    .select({
      epoch: routingEpoch,
      environment: endpoint.environment,
      leaseUntil: endpoint.leaseUntil,
      champion,
      canary,
      championOptimization: optimizationOf(champion),
      canaryOptimization: optimizationOf(canary),
      log: logSettingsInForce(endpoint.name, asOf),
      plan: rollout.plan,
      slowAboveMs: rollout.latencyThresholdMs,
      databaseTime: sql`clock_timestamp()`.mapWith(routingEpoch.createdAt),
    })
    .from(endpoint)
    .innerJoin(routingEpoch, and(eq(routingEpoch.endpoint, endpoint.name), eq(routingEpoch.epoch, wantedEpoch)))
    .leftJoin(champion, eq(champion.id, routingEpoch.championVersion))
    .leftJoin(canary, eq(canary.id, routingEpoch.canaryVersion))
    .leftJoin(rollout, eq(rollout.id, routingEpoch.rollout))
    .where(
      and(
        options.endpoint === undefined ? undefined : eq(endpoint.name, options.endpoint),
        options.models && inArray(endpoint.model, [...options.models]),
      ),
    )
    .orderBy(asc(endpoint.name));
  return rows.map((row) => ({
    endpoint: row.epoch.endpoint,
    environment: row.environment,
    model: row.epoch.model,
    epoch: row.epoch.epoch,
    champion: routedVersion(row.champion, row.championOptimization),
    canary: routedVersion(row.canary, row.canaryOptimization),
    canaryShare: row.epoch.canaryShare,
    shadowShare: row.epoch.shadowShare,
    salt: row.epoch.salt,
    rollout: row.epoch.rollout,
    reason: row.epoch.reason,
    createdBy: row.epoch.createdBy,
    createdAt: row.epoch.createdAt,
    leaseUntil: asOf === undefined && row.canary ? row.leaseUntil : null,
    counting: row.plan && isCounted(row.epoch) ? { slowAboveMs: row.slowAboveMs, edges: rangeEdges(row.plan) } : null,
    log: row.log,
    databaseTime: row.databaseTime,
  }));
}

/** The report of the newest optimization of its lifecycle that chose the version, keeping it as it was included. */
function optimizationOf(version: { readonly id: PgColumn; readonly lifecycle: PgColumn }) {
  return sql<string | null>`(SELECT run.result->>'report' FROM stage_run AS run
    WHERE run.lifecycle = ${version.lifecycle} AND run.stage = 'optimize' AND run.status = 'passed'
      AND run.result->'version'->>'versionId' = ${version.id}::text
    ORDER BY run.round DESC LIMIT 1)`;
}

/** In the ramp, and while a promotion is observed: mirrored answers are counted apart. */
const isCounted = ({ canaryVersion, shadowShare }: typeof routingEpoch.$inferSelect): boolean =>
  canaryVersion !== null && shadowShare === 0;

const rangeEdges = ({ guardrails }: RolloutPlan): number[] | null =>
  guardrails.find((one) => one.name === "prediction-shift")?.edges ?? null;

function routedVersion(version: ModelVersion | null, optimization: string | null): RoutedVersion | null {
  if (!version) return null;
  const { id, model, number, artifact, signature } = version;
  return { versionId: id, model, number, digest: artifact, signature, optimization };
}

/** The version in production on an endpoint, or null when nothing is deployed or only a canary serves. */
export async function championOf(db: Queryable, name: string): Promise<ModelVersion | null> {
  const [found] = await db
    .select({ version: modelVersion })
    .from(endpoint)
    .innerJoin(
      routingEpoch,
      and(eq(routingEpoch.endpoint, endpoint.name), eq(routingEpoch.epoch, endpoint.currentEpoch)),
    )
    .innerJoin(modelVersion, eq(modelVersion.id, routingEpoch.championVersion))
    .where(eq(endpoint.name, name));
  return found?.version ?? null;
}

/** The champion before the present one: of the newest epoch whose champion is another version; null when there never was one. */
export async function findFormerChampion(
  db: Queryable,
  { endpoint: name, champion }: { endpoint: string; champion: string | null },
): Promise<string | null> {
  const [found] = await db
    .select({ version: routingEpoch.championVersion })
    .from(routingEpoch)
    .where(
      and(
        eq(routingEpoch.endpoint, name),
        isNotNull(routingEpoch.championVersion),
        champion === null ? undefined : ne(routingEpoch.championVersion, champion),
      ),
    )
    .orderBy(desc(routingEpoch.epoch))
    .limit(1);
  return found?.version ?? null;
}
