import { and, desc, eq, isNull, lte, or, sql } from "drizzle-orm";

import {
  approvalPolicySchema,
  POLICY_FORMAT,
  type ApprovalPolicy,
  type ApprovalTerms,
} from "../../contracts/approval.ts";
import type { Queryable, Transaction } from "../client.ts";
import { createId } from "../identifiers.ts";
import { recordRows, rowsOf } from "../record-rows.ts";
import { approvalPolicy } from "../schema/approval.ts";

/** A policy as somebody set it. */
export interface SetPolicy {
  readonly id: string;
  readonly policy: ApprovalPolicy;
  readonly digest: string;
  readonly setBy: string;
  readonly reason: string;
  readonly setAt: Date;
}

export interface PolicyRequest {
  /** Null: every model. */
  readonly model: string | null;
  readonly environment: string;
  /** Null takes the policy of this model, or the one of all models, away. */
  readonly terms: ApprovalTerms | null;
  readonly by: string;
  readonly reason: string;
}

/** Sets a policy from now on; approvals under another one count no more. Returns its digest, null for one taken away. */
export async function recordPolicy(tx: Transaction, request: PolicyRequest): Promise<string | null> {
  const { model, environment, terms, by, reason } = request;
  const policy = terms && approvalPolicySchema.parse({ format: POLICY_FORMAT, model, environment, ...terms });
  const [made] = await recordRows(tx, approvalPolicy, [
    { id: createId(), model, environment, policy, setBy: by, reason },
  ]);
  return made?.digest ?? null;
}

/** The policy that holds for a model in an environment, or held at a moment of database time: there always is one. */
export async function findPolicyInForce(
  db: Queryable,
  { model, environment, at }: { readonly model: string; readonly environment: string | null; readonly at: Date },
): Promise<SetPolicy> {
  const moment = at.toISOString();
  const [found] = await rowsOf(
    db,
    approvalPolicy,
    sql`approval_policy_in_force(${model}, ${environment}, ${moment}::timestamptz)`,
  );
  const policy = found && asSet(found);
  if (!policy) throw new Error("the default approval policy is missing");
  return policy;
}

/** Every policy that was set and holds, or held at a moment: of one model and of all models, the default last. */
export async function listPolicies(
  db: Queryable,
  { model, asOf }: { readonly model?: string; readonly asOf?: Date } = {},
): Promise<SetPolicy[]> {
  const newest = await db
    .selectDistinctOn([approvalPolicy.environment, approvalPolicy.model])
    .from(approvalPolicy)
    .where(
      and(
        asOf && lte(approvalPolicy.setAt, asOf),
        model === undefined ? undefined : or(isNull(approvalPolicy.model), eq(approvalPolicy.model, model)),
      ),
    )
    .orderBy(approvalPolicy.environment, approvalPolicy.model, desc(approvalPolicy.number));
  return newest.map(asSet).filter((policy) => policy !== null);
}

function asSet({ id, policy, digest, setBy, reason, setAt }: typeof approvalPolicy.$inferSelect): SetPolicy | null {
  if (policy === null || digest === null) return null;
  return { id, policy, digest, setBy, reason, setAt };
}
