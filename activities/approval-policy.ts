import { approvalTermsSchema } from "../contracts/approval.ts";
import { policyDeed, policySubject } from "../contracts/deeds.ts";
import type { PolicyChange } from "../contracts/messages.ts";
import { recordPolicy } from "../db/queries/approval-policy.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { requireModel } from "../db/queries/model.ts";
import { runOperation } from "../db/queries/operation.ts";
import { authorize } from "./authorize.ts";
import type { Dependencies } from "./dependencies.ts";
import { operationContext } from "./operation-context.ts";

/** Sets what it takes to be approved, or takes it away. Approvals under what was there before count no more. */
export async function changePolicy(
  { database }: Dependencies,
  change: PolicyChange,
): Promise<{ policy: string | null }> {
  const { requestId, model, environment } = change;
  const terms = change.terms === null ? null : approvalTermsSchema.parse(change.terms);
  const operation = {
    key: `policy/${requestId}`,
    request: { requestId, model, environment, terms },
    context: operationContext(),
  };
  return runOperation(database, operation, async (tx) => {
    if (model !== null) await requireModel(tx, model);
    const place = { model, environment };
    const said = { by: change.by, reason: change.reason, proof: change.proof };
    const { by, reason, statement } = await authorize(tx, { ...policyDeed(change), ...place, ...said });
    const policy = await recordPolicy(tx, { model, environment, terms, by, reason });
    await recordAudit(tx, {
      actor: by,
      statement,
      subject: policySubject(change),
      body: {
        kind: "approval-policy-set",
        model,
        environment,
        policy,
        quorum: terms?.quorum ?? null,
        roles: terms?.roles ?? [],
        reason,
      },
    });
    return { policy };
  });
}
