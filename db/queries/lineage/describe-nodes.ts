import { sql, type SQL } from "drizzle-orm";

import type { Queryable } from "../../client.ts";
import { reveal } from "../reveal.ts";

/** The name as a UUID; null for a name that is none, which then is no row's. */
const uuid = sql`CASE WHEN asked.name ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN asked.name::uuid END`;

// What people want to know of each kind of thing in a few words. `name` is the ref without its kind.
const DESCRIPTIONS: Readonly<Record<string, SQL>> = {
  artifact: sql`SELECT asked.name, coalesce(
      to_char((description ->> 'rowCount')::bigint, 'FM999,999,999,999') || ' rows'
        || coalesce(', ' || (time_window ->> 'from') || ' to ' || (time_window ->> 'to'), ''),
      CASE media_type WHEN 'text/html' THEN 'report page' ELSE artifact.kind END || ', ' || CASE
        WHEN size_bytes < 10000 THEN size_bytes || ' bytes'
        WHEN size_bytes < 10000000 THEN size_bytes / 1000 || ' kB'
        ELSE size_bytes / 1000000 || ' MB' END) AS label
    FROM asked JOIN artifact ON artifact.digest = asked.name LEFT JOIN dataset_snapshot ON dataset_snapshot.digest = asked.name`,
  model: sql`SELECT asked.name, origin AS label FROM asked JOIN model_version
      ON model = split_part(asked.name, '@', 1)
      AND number = CASE WHEN asked.name ~ '@[0-9]{1,9}$' THEN split_part(asked.name, '@', 2)::integer END`,
  evaluation: sql`SELECT asked.name, verdict || ' on ' || to_char(row_count, 'FM999,999,999') || ' rows' AS label
    FROM asked JOIN evaluation ON id = ${uuid}`,
  approval: sql`SELECT asked.name, decision AS label FROM asked JOIN approval ON id = ${uuid}`,
  rollout: sql`SELECT asked.name, status || ' on ' || endpoint AS label FROM asked JOIN rollout ON id = asked.name`,
  "routing-epoch": sql`SELECT asked.name, reason AS label FROM asked JOIN routing_epoch
      ON endpoint = split_part(asked.name, '/', 1)
      AND epoch = CASE WHEN asked.name ~ '/[0-9]{1,9}$' THEN split_part(asked.name, '/', 2)::integer END`,
  monitor: sql`SELECT asked.name, schedule || ' (UTC)' AS label FROM asked JOIN monitor ON id = asked.name`,
  "drift-check": sql`SELECT asked.name, verdict || ', ' || (time_window ->> 'from') || ' to ' || (time_window ->> 'to') AS label
    FROM asked JOIN drift_check ON id = ${uuid}`,
  "retrain-decision": sql`SELECT asked.name, decision AS label FROM asked JOIN retrain_decision ON id = ${uuid}`,
  lifecycle: sql`SELECT asked.name, status AS label FROM asked JOIN lifecycle ON id = asked.name`,
};

/** Labels by ref; what is not described has none. One query a kind of thing among them. */
export async function describeNodes(db: Queryable, refs: readonly string[]): Promise<Map<string, string>> {
  const byKind = new Map<string, string[]>();
  for (const ref of refs) {
    const slash = ref.indexOf("/");
    const names = byKind.get(ref.slice(0, slash));
    if (names) names.push(ref.slice(slash + 1));
    else byKind.set(ref.slice(0, slash), [ref.slice(slash + 1)]);
  }
  const labels = new Map<string, string>();
  for (const [kind, names] of byKind) {
    const description = DESCRIPTIONS[kind];
    if (!description) continue;
    const { rows } = await db.execute<{ name: string; label: string }>(
      sql`WITH asked AS MATERIALIZED (SELECT unnest(${sql.param(names)}::text[]) AS name) ${description}`,
    );
    // An epoch's label tells who moved traffic by hand, and why.
    for (const { name, label } of await reveal(db, rows)) labels.set(`${kind}/${name}`, label);
  }
  return labels;
}
