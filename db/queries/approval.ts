import type { ApprovalDecision, ApprovalEvidence } from "../../contracts/approval.ts";
import { digestOf } from "../canonical.ts";
import type { Transaction } from "../client.ts";
import { createId } from "../identifiers.ts";
import { recordRows } from "../record-rows.ts";
import { approval } from "../schema/approval.ts";

export type Approval = typeof approval.$inferSelect;

export interface ApprovalRequest {
  readonly evidence: ApprovalEvidence;
  /** Who made the version, exactly as the version has it. */
  readonly author: string;
  readonly decision: ApprovalDecision;
  readonly by: string;
  readonly reason: string;
  /** Held now. */
  readonly roles: readonly string[];
  /** Digest of the signed statement; null where people are believed by their word. */
  readonly statement: string | null;
}

/**
 * Records what somebody decided over exactly this evidence. The same decision of the same person is one, until it expires: then null
 * comes back. The database refuses the author's own approval, evidence that is not the present one, and a statement about something else.
 */
export async function recordApproval(tx: Transaction, request: ApprovalRequest): Promise<Approval | null> {
  const { evidence, author, by, roles, ...rest } = request;
  const [recorded] = await recordRows(tx, approval, [
    {
      ...rest,
      id: createId(),
      lifecycle: evidence.lifecycle,
      round: null,
      decidedBy: by,
      startedBy: author,
      roles: [...roles],
      evidence,
      evidenceDigest: digestOf(evidence),
    },
  ]);
  return recorded ?? null;
}
