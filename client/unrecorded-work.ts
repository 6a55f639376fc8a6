import type { Client } from "@temporalio/client";

import { WORKFLOWS } from "../contracts/names.ts";
import type { Database } from "../db/client.ts";
import { findRecorded, listStuck, type StuckWork } from "../db/queries/stuck.ts";

const HOUR_MS = 3_600_000;
/** Short work takes ten minutes in total and heavy work eight hours (workflows/activity-options.ts), or fails; and an hour on top. */
const BOUNDS = { begunWithinMs: HOUR_MS, doneWithinMs: 9 * HOUR_MS };

/** What may take days, and is on record from its first activity on. */
const ON_RECORD: readonly string[] = [WORKFLOWS.modelLifecycle, WORKFLOWS.canaryRollout, WORKFLOWS.deploymentInTurn];

/**
 * What Temporal accepted and nothing in Postgres tells of: lifecycles and rollouts whose first activity should have recorded them,
 * and work of one activity that should be done, because no worker took it up or none could. Postgres alone cannot see that, so
 * Temporal is asked what it runs. What is recorded and does not move is `listStuck`'s.
 */
export async function listUnrecorded(
  client: Client,
  database: Database,
  { begunWithinMs, doneWithinMs } = BOUNDS,
): Promise<StuckWork[]> {
  const recorded = await findRecorded(database, begunWithinMs);
  const before = (ageMs: number) => new Date(recorded.now.getTime() - ageMs);
  const types = Object.values(WORKFLOWS).map((name) => `'${name}'`);
  const query = `ExecutionStatus = 'Running' AND StartTime <= '${before(begunWithinMs).toISOString()}' AND WorkflowType IN (${types.join(", ")})`;
  const found: StuckWork[] = [];
  for await (const { type, workflowId: subject, startTime: since } of client.workflow.list({ query })) {
    if (ON_RECORD.includes(type) ? !recorded.subjects.has(subject) : since <= before(doneWithinMs)) {
      found.push({ subject, model: null, since });
    }
  }
  return found;
}

/** Everything that is stuck, on record or not, the longest first. */
export async function listAllStuck(client: Client, database: Database): Promise<StuckWork[]> {
  const found = await Promise.all([listStuck(database), listUnrecorded(client, database)]);
  return found.flat().sort((one, other) => one.since.getTime() - other.since.getTime());
}
