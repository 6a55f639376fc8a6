import { sql } from "drizzle-orm";

import type { Queryable } from "../client.ts";

/** Something that was started, has not ended, and has not moved for longer than anything it may be doing takes. */
export interface StuckWork {
  /** `lifecycle/ID`, `rollout/ID`, or `retrain-decision/ID` whose lifecycle never came up; the workflow's id of what nothing is recorded of. */
  readonly subject: string;
  /** Null where nothing is recorded. */
  readonly model: string | null;
  /** When it last moved, database time; or when Temporal accepted it. */
  readonly since: Date;
}

/** Everything that is stuck, the longest first. */
export async function listStuck(db: Queryable): Promise<StuckWork[]> {
  const { rows } = await db.execute<{ subject: string; model: string; since: Date | string }>(
    sql`SELECT subject, model, since FROM stuck_work ORDER BY since, subject`,
  );
  return rows.map(({ since, ...rest }) => ({ ...rest, since: new Date(since) }));
}

/** What workflows that run are on record for, by the workflow's id, and database time. */
export interface Recorded {
  readonly subjects: ReadonlySet<string>;
  readonly now: Date;
}

/** Lifecycles and rollouts that wait for their turn or have not ended, or did so in the last `sinceMs`: their workflows may still be about to. */
export async function findRecorded(db: Queryable, sinceMs: number): Promise<Recorded> {
  const since = sql`clock_timestamp() - ${sinceMs}::float8 * interval '1 millisecond'`;
  const { rows } = await db.execute<{ subjects: string[]; now: Date | string }>(sql`
    SELECT clock_timestamp() AS now, ARRAY(
      SELECT 'lifecycle/' || id FROM lifecycle WHERE finished_at IS NULL OR finished_at > ${since}
      UNION SELECT unnest(ARRAY['rollout/' || endpoint, 'deployment/' || id]) FROM rollout
        WHERE ended_at IS NULL OR ended_at > ${since}
      UNION SELECT 'deployment/' || rollout FROM rollout_turn) AS subjects`);
  const [found] = rows;
  if (!found) throw new Error("no row");
  return { subjects: new Set(found.subjects), now: new Date(found.now) };
}
