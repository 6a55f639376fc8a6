import { desc, lte, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";

import { logSettingsSchema, type LogSettings } from "../../contracts/log-settings.ts";
import type { Queryable, Transaction } from "../client.ts";
import { createId } from "../identifiers.ts";
import { recordRows } from "../record-rows.ts";
import { logSettings } from "../schema/decision-count.ts";
import { endpoint } from "../schema/routing.ts";

/** Sets what is kept of an endpoint's requests, or how long the log is kept; null takes back what was set. Returns the row's id. */
export async function recordLogSettings(
  tx: Transaction,
  {
    by,
    ...said
  }: Pick<typeof logSettings.$inferInsert, "endpoint" | "settings" | "retentionDays" | "reason"> & {
    readonly by: string;
  },
): Promise<string> {
  const id = createId();
  await recordRows(tx, logSettings, [{ id, ...said, setBy: by }]);
  return id;
}

/**
 * What is kept of an endpoint's requests, or was at a moment of database time, as a column of a query: what somebody set, else what the
 * newest lifecycle that served or tried to serve there said; null where nobody said anything.
 */
export function logSettingsInForce(name: PgColumn, asOf?: string) {
  const moment = asOf === undefined ? sql`clock_timestamp()` : sql`${asOf}::timestamptz`;
  return sql<LogSettings | null>`coalesce(
    (SELECT settings FROM log_settings WHERE endpoint = ${name} AND set_at <= ${moment} ORDER BY number DESC LIMIT 1),
    (SELECT lifecycle.spec #> '{deployment,log}' FROM rollout AS newest JOIN lifecycle ON lifecycle.id = newest.lifecycle
      WHERE newest.endpoint = ${name} AND newest.started_at <= ${moment}
        AND (newest.status IN ('running', 'promoted') OR newest.ended_at > ${moment})
      ORDER BY newest.started_at DESC LIMIT 1))`.mapWith((settings: unknown) => logSettingsSchema.parse(settings));
}

/** What somebody set, and when and why. */
interface Said {
  readonly setBy: string;
  readonly reason: string;
  readonly setAt: Date;
}

export interface LogSettingsView {
  /** How many days of the log are kept besides today's; null where nobody set that. */
  readonly retention: (Said & { readonly days: number }) | null;
  readonly endpoints: readonly {
    readonly endpoint: string;
    /** Null: every row is kept, and none of the columns. */
    readonly settings: LogSettings | null;
    /** Null where the spec of its lifecycle says it, or nobody does. */
    readonly set: Said | null;
  }[];
}

/** What holds, or held at a moment of database time: of every endpoint, and of the whole log. */
export async function loadLogSettings(db: Queryable, asOf?: Date): Promise<LogSettingsView> {
  const before = asOf && lte(logSettings.setAt, asOf);
  const said = await db
    .selectDistinctOn([logSettings.endpoint])
    .from(logSettings)
    .where(before)
    .orderBy(logSettings.endpoint, desc(logSettings.number));
  const inForce = await db
    .select({ endpoint: endpoint.name, settings: logSettingsInForce(endpoint.name, asOf?.toISOString()) })
    .from(endpoint)
    .where(asOf && lte(endpoint.createdAt, asOf))
    .orderBy(endpoint.name);
  const ofAll = said.find((one) => one.endpoint === null);
  return {
    retention: ofAll && ofAll.retentionDays !== null ? { days: ofAll.retentionDays, ...who(ofAll) } : null,
    endpoints: inForce.map(({ endpoint: name, settings }) => {
      const set = said.find((one) => one.endpoint === name && one.settings !== null);
      return { endpoint: name, settings, set: set ? who(set) : null };
    }),
  };
}

const who = ({ setBy, reason, setAt }: typeof logSettings.$inferSelect): Said => ({ setBy, reason, setAt });
