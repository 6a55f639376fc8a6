import type { ApprovalStanding } from "../contracts/approval.ts";
import { breakGlassDeed, decideDeed } from "../contracts/deeds.ts";
import { Failure } from "../contracts/failures.ts";
import type { Decision, Request } from "../contracts/messages.ts";
import { isGood, judgeStanding } from "../core/approval/judge-approvals.ts";
import type { Transaction } from "../db/client.ts";
import { recordApproval } from "../db/queries/approval.ts";
import { loadApprovalCase, lockApprovals, type ApprovalCase } from "../db/queries/approval-case.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { recordBreakGlass } from "../db/queries/break-glass.ts";
import { recordExecution, type ExecutionContext } from "../db/queries/lineage/record-execution.ts";
import { findActorRef } from "../db/queries/person.ts";
import { authorize } from "./authorize.ts";
import { versionAs, versionName } from "./version-reference.ts";

/** What is decided about: a version and where it wants to go. */
export interface DecidedOn {
  readonly versionId: string;
  readonly environment: string | null;
}

/** One person's decision over exactly the present evidence, and how the version stands after it. Postgres has the last word. */
export async function decide(
  tx: Transaction,
  context: ExecutionContext,
  on: DecidedOn,
  decision: Decision,
): Promise<ApprovalStanding> {
  await lockApprovals(tx, on.versionId);
  const asked = await loadApprovalCase(tx, on);
  if (decision.breakGlass) await breakGlassFor(tx, asked, decision);
  else await countDecision(tx, context, asked, decision);
  return judgeStanding(await loadApprovalCase(tx, on));
}

async function countDecision(
  tx: Transaction,
  context: ExecutionContext,
  asked: ApprovalCase,
  decision: Decision,
): Promise<void> {
  const version = versionName(asked.version);
  const { evidence, evidenceDigest } = asked;
  if (!evidence || !evidenceDigest) {
    throw new Failure("APPROVAL_EVIDENCE_CHANGED", { version, found: "its newest evaluation did not pass" });
  }
  if (decision.evidenceDigest !== undefined && decision.evidenceDigest !== evidenceDigest) {
    const found = `its evidence is ${evidenceDigest} by now, and not ${decision.evidenceDigest}`;
    throw new Failure("APPROVAL_EVIDENCE_CHANGED", { version, found });
  }
  // Only where people are believed: with a proof another attempt is known by its statement, and a replay is refused.
  if (!decision.proof && (await isRepeated(tx, asked, decision))) return;
  const { by, reason, roles, statement } = await authorize(tx, {
    ...decideDeed({ version, decision: decision.decision, evidence: evidenceDigest }),
    ...placeOf(asked),
    by: decision.by,
    reason: decision.reason,
    proof: decision.proof,
  });
  // Looked up now: an earlier release wrote names, and the decision may have made the name known.
  const author = await findActorRef(tx, asked.version.createdBy);
  requireEligible(
    { ...asked, author: author ?? asked.author },
    { decision: decision.decision, by, who: decision.by, roles, signed: statement !== null },
  );
  const approval = await recordApproval(tx, {
    evidence,
    author: asked.version.createdBy,
    decision: decision.decision,
    by,
    reason,
    roles,
    statement,
  });
  if (!approval) return;
  const { evaluation } = evidence;
  await recordExecution(tx, {
    kind: "approve",
    lifecycle: asked.version.lifecycle,
    context,
    parameters: asked.terms,
    used: [
      versionAs("version", asked.version),
      ...(evaluation ? [{ ref: `evaluation/${evaluation.id}`, role: "evaluation" as const }] : []),
      ...(evaluation?.report ? [{ ref: `artifact/${evaluation.report}`, role: "report" as const }] : []),
    ],
    generated: [{ ref: `approval/${approval.id}`, role: "approval" }],
  });
  await recordAudit(tx, {
    actor: by,
    statement,
    subject: `model/${version}`,
    body: {
      kind: "approval-decided",
      decision: decision.decision,
      reason,
      evidenceDigest,
      approvalId: approval.id,
      environment: asked.environment,
    },
  });
}

const placeOf = ({ version, environment }: ApprovalCase) => ({ model: version.model, environment });

/** Whether the same person said the same about the same, and it still counts: another attempt, or impatience. */
async function isRepeated(tx: Transaction, asked: ApprovalCase, { by: who, decision }: Decision): Promise<boolean> {
  const by = await findActorRef(tx, who);
  return asked.decisions.some(
    (one) =>
      one.by === by &&
      one.decision === decision &&
      one.evidenceDigest === asked.evidenceDigest &&
      isGood(one, asked.at),
  );
}

function requireEligible(
  { version, author, terms }: ApprovalCase,
  given: { decision: string; by: string; who: string; roles: readonly string[]; signed: boolean },
): void {
  const about = { version: versionName(version), who: given.who };
  const isAuthor = given.by === author;
  if (isAuthor && given.decision === "approve") throw new Failure("APPROVAL_BY_AUTHOR", about);
  if (terms.requiresSignature && !given.signed) {
    throw new Failure("APPROVAL_NOT_COUNTED", { ...about, allowed: "a statement signed with a token" });
  }
  if (!isAuthor && terms.roles.length > 0 && !terms.roles.some((role) => given.roles.includes(role))) {
    throw new Failure("APPROVAL_NOT_COUNTED", { ...about, allowed: `the role ${terms.roles.join(" or ")}` });
  }
}

/** @throws INPUT_INVALID when nothing is missing or there is no environment to go to */
export async function breakGlassFor(
  tx: Transaction,
  asked: ApprovalCase,
  { by: who, reason: why, proof }: Request,
): Promise<string> {
  const { version, environment, openGlass } = asked;
  const name = versionName(version);
  if (environment === null) {
    const problems = "its lifecycle deploys nowhere, so no glass stands in the way; approve or abort it";
    throw new Failure("INPUT_INVALID", { where: `model/${name}`, problems });
  }
  if (openGlass !== null) return openGlass;
  const deed = breakGlassDeed({ version: name, environment });
  const said = { by: who, reason: why, proof };
  const { by, reason, statement } = await authorize(tx, { ...deed, ...placeOf(asked), ...said });
  const glass = await recordBreakGlass(tx, {
    versionId: version.id,
    version: name,
    environment,
    by,
    reason,
    statement,
  });
  await recordAudit(tx, {
    actor: by,
    statement,
    subject: `model/${name}`,
    body: { kind: "glass-broken", glassId: glass.id, alarm: glass.alarm, environment, reason },
  });
  return glass.id;
}
