import { eq, sql } from "drizzle-orm";

import { Failure } from "../../contracts/failures.ts";
import { digestOf } from "../canonical.ts";
import type { Queryable, Transacting, Transaction } from "../client.ts";
import type { JsonValue } from "../json.ts";
import { recordRows } from "../record-rows.ts";
import { operation } from "../schema/evidence.ts";

/** Who asks, as Temporal names it. Kept for the record; the key alone decides. */
export interface OperationContext {
  readonly workflowId: string;
  readonly runId: string;
  readonly activityId: string;
  readonly attempt: number;
}

export interface OperationRequest {
  /** Business key, as in `lifecycle/ID/evaluate/1`: the same intent has the same key in every attempt. */
  readonly key: string;
  /** JSON of what is asked. The same key with another request is a conflict. */
  readonly request: unknown;
  readonly context: OperationContext;
}

export type Operation = typeof operation.$inferSelect;

/** The recorded operation of a key, or null. */
export async function findOperation(db: Queryable, key: string): Promise<Operation | null> {
  const [found] = await db.select().from(operation).where(eq(operation.key, key));
  return found ?? null;
}

/**
 * Does `work` once for its key: its writes and its result are committed together, and every later or simultaneous call with
 * the key returns that result without working. The result is JSON and comes back as stored, the first time as well.
 * When `work` throws nothing is kept and the next call tries again. Do the long computation before, not inside: `work` holds
 * a transaction. Fails with OPERATION_CONFLICT when the key was used for another request.
 */
export async function runOperation<Result>(
  db: Transacting,
  { key, request, context }: OperationRequest,
  work: (tx: Transaction) => Promise<Result>,
): Promise<Result> {
  const requestDigest = digestOf(request);
  return await db.transaction(async (tx) => {
    // Two attempts at once: the second waits here until the first has committed, then finds its row. An INSERT in front of
    // the work would do the same, but needs an UPDATE right on the ledger to fill the result in.
    await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtextextended(${`operation ${key}`}, 0))`);
    const found = await findOperation(tx, key);
    if (found) {
      if (found.requestDigest !== requestDigest) throw new Failure("OPERATION_CONFLICT", { key });
      return found.result as Result;
    }
    const result = (await work(tx)) ?? null;
    const [stored] = await recordRows(tx, operation, [{ key, requestDigest, ...context, result: result as JsonValue }]);
    return stored?.result as Result;
  });
}
