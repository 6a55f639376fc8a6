import { and, eq } from "drizzle-orm";

import { Failure } from "../../contracts/failures.ts";
import type { Queryable, Transaction } from "../client.ts";
import { createId } from "../identifiers.ts";
import { recordRows } from "../record-rows.ts";
import { approval } from "../schema/lifecycle.ts";
import { requireLifecycle } from "./lifecycle.ts";
import { findActorRef } from "./person.ts";

export type Approval = typeof approval.$inferSelect;

export interface ApprovalRequest extends Pick<
  Approval,
  "lifecycle" | "round" | "decision" | "decidedBy" | "reason" | "evidenceDigest"
> {}

/**
 * Records what somebody decided about a round; the first decision stays, and the same one again is the same. Fails with
 * APPROVAL_BY_AUTHOR when the author approves (letter case does not matter), LIFECYCLE_UNKNOWN, and APPROVAL_NOT_WAITING
 * when another decision was taken before. The database holds the same lines.
 */
export async function recordApproval(tx: Transaction, request: ApprovalRequest): Promise<Approval> {
  const { startedBy, status } = await requireLifecycle(tx, request.lifecycle);
  const decidedBy = await findActorRef(tx, request.decidedBy);
  // An earlier release wrote names, so both are looked up.
  if (request.decision === "approve" && decidedBy !== null && decidedBy === (await findActorRef(tx, startedBy))) {
    throw new Failure("APPROVAL_BY_AUTHOR", { lifecycle: request.lifecycle, who: request.decidedBy });
  }
  const [recorded] = await recordRows(tx, approval, [{ ...request, id: createId(), startedBy }]);
  if (recorded) return recorded;
  const before = await findApproval(tx, request);
  const same =
    before?.decision === request.decision && before.decidedBy === (await findActorRef(tx, request.decidedBy));
  if (!before || !same) throw new Failure("APPROVAL_NOT_WAITING", { lifecycle: request.lifecycle, status });
  return before;
}

/** The decision about a round, or null. */
export async function findApproval(
  db: Queryable,
  { lifecycle, round }: Pick<Approval, "lifecycle" | "round">,
): Promise<Approval | null> {
  const [found] = await db
    .select()
    .from(approval)
    .where(and(eq(approval.lifecycle, lifecycle), eq(approval.round, round)));
  return found ?? null;
}
