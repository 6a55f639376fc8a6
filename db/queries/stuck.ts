import { sql } from "drizzle-orm";

import type { Queryable } from "../client.ts";

/** Something that was started, has not ended, and has not moved for longer than anything it may be doing takes. */
export interface StuckWork {
  /** `lifecycle/ID`, `rollout/ID`, or `retrain-decision/ID` whose lifecycle never came up. */
  readonly subject: string;
  readonly model: string;
  /** When it last moved, database time. */
  readonly since: Date;
}

/** Everything that is stuck, the longest first. */
export async function listStuck(db: Queryable): Promise<StuckWork[]> {
  const { rows } = await db.execute<{ subject: string; model: string; since: Date | string }>(
    sql`SELECT subject, model, since FROM stuck_work ORDER BY since, subject`,
  );
  return rows.map(({ since, ...rest }) => ({ ...rest, since: new Date(since) }));
}
