import { sql } from "drizzle-orm";

import type { CanaryHealth } from "../../contracts/rollout.ts";
import type { Queryable } from "../client.ts";

/**
 * The canary's newest requests in the rollout's present epoch, at most so many. Rows as they were logged and not units: that a canary answers
 * nothing any more is seen at whoever asks.
 */
export async function observeCanary(
  db: Queryable,
  wanted: { readonly endpoint: string; readonly rollout: string; readonly requests: number },
): Promise<CanaryHealth> {
  const { rows } = await db.execute<{ requests: string; errors: string }>(sql`
    WITH present AS (
      SELECT epoch, created_at FROM routing_epoch
      WHERE endpoint = ${wanted.endpoint} AND rollout = ${wanted.rollout} AND canary_share > 0 ORDER BY epoch DESC LIMIT 1
    ), newest AS (
      SELECT outcome FROM prediction JOIN present USING (epoch)
      WHERE endpoint = ${wanted.endpoint} AND arm = 'canary' AND assigned
        -- A minute covers a gateway's idea of database time.
        AND at >= (SELECT created_at - interval '1 minute' FROM present)
      ORDER BY at DESC, inference_id DESC LIMIT ${wanted.requests}
    )
    SELECT count(*) AS requests, count(*) FILTER (WHERE outcome = 'error') AS errors FROM newest`);
  const [found] = rows;
  return { newest: { requests: Number(found?.requests ?? 0), errors: Number(found?.errors ?? 0) } };
}
