import { sql } from "drizzle-orm";

import type { Arm } from "../../contracts/names.ts";
import type { CanaryHealth } from "../../contracts/rollout.ts";
import type { Queryable } from "../client.ts";
import { countNewest } from "./counted.ts";
import { listReports } from "./gateway-report.ts";

/** A gateway that was not seen for this long serves nobody any more, as far as anybody can tell. */
const LIVE_WITHIN_MS = 15_000;

export interface HealthQuestion {
  readonly endpoint: string;
  readonly rollout: string;
  readonly version: string;
  /** The version's arm now: after its promotion it is the champion's. */
  readonly arm: Arm;
  readonly requests: number;
}

/**
 * How a rollout's version fares now: its newest requests in the rollout's present epoch, and what gateways report of it. Rows as
 * they were logged and not units: that it answers nothing any more is seen at whoever asks. Where the log keeps too few of them, what gateways
 * counted, of at least so many: to the minute, and of every request.
 */
export async function observeVersion(db: Queryable, wanted: HealthQuestion): Promise<CanaryHealth> {
  const gateways = await listReports(db, { ...wanted, maximumAgeMs: LIVE_WITHIN_MS });
  const { rows } = await db.execute<{ requests: string; errors: string }>(sql`
    WITH present AS (
      SELECT epoch, created_at FROM routing_epoch
      WHERE endpoint = ${wanted.endpoint} AND rollout = ${wanted.rollout} ORDER BY epoch DESC LIMIT 1
    ), newest AS (
      SELECT outcome FROM prediction JOIN present USING (epoch)
      WHERE endpoint = ${wanted.endpoint} AND arm = ${wanted.arm} AND model_version = ${wanted.version} AND assigned
        -- A minute covers a gateway's idea of database time.
        AND at >= (SELECT created_at - interval '1 minute' FROM present)
      ORDER BY at DESC, inference_id DESC LIMIT ${wanted.requests}
    )
    SELECT count(*) AS requests, count(*) FILTER (WHERE outcome = 'error') AS errors FROM newest`);
  const [found] = rows;
  const logged = { requests: Number(found?.requests ?? 0), errors: Number(found?.errors ?? 0) };
  // A sampled log reaches further back than the requests that are newest.
  const counted = await countNewest(db, wanted);
  const isDead = counted.requests >= wanted.requests && counted.errors === counted.requests;
  const isScarce = logged.requests < wanted.requests && logged.requests < counted.requests;
  const newest = isDead || isScarce ? counted : logged;
  return { newest, ...(gateways.length > 0 && { gateways }) };
}
