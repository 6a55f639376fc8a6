import type { ApprovalStanding } from "../contracts/approval.ts";
import { Failure } from "../contracts/failures.ts";
import type { Decision, LifecycleRun, VersionDecision } from "../contracts/messages.ts";
import { judgeStanding } from "../core/approval/judge-approvals.ts";
import type { Queryable, Transaction } from "../db/client.ts";
import { findLifecycleCase, findVersionCase, type ApprovalCase } from "../db/queries/approval-case.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { requireLifecycle, setLifecycleStatus } from "../db/queries/lifecycle.ts";
import { findActorRef } from "../db/queries/person.ts";
import { findPassedStageRun, findStageRun, finishStageRun, startStageRun } from "../db/queries/stage-run.ts";
import { decide } from "./decide.ts";
import type { Dependencies } from "./dependencies.ts";
import { executionContext } from "./operation-context.ts";

export interface ApprovalWait {
  readonly waiting: boolean;
  /** Somebody rejected it before it was asked for. */
  readonly rejected?: string;
}

/** Opens the wait for people, unless the version is approved already on the present evidence. */
export async function awaitApproval(dependencies: Dependencies, run: LifecycleRun): Promise<ApprovalWait> {
  return dependencies.database.transaction(async (tx) => {
    const standing = judgeStanding(await requireCase(tx, run.lifecycleId));
    await tellLifecycle(tx, run, standing);
    if (standing.status === "rejected") return { waiting: false, rejected: standing.says };
    return { waiting: standing.status !== "approved" };
  });
}

/** A person's decision about the version that a lifecycle waits with. Answers with what is still missing. */
export async function recordDecision(
  dependencies: Dependencies,
  { lifecycleId, round, ...decision }: LifecycleRun & Decision,
): Promise<ApprovalStanding> {
  return dependencies.database.transaction(async (tx) => {
    const asked = await requireCase(tx, lifecycleId);
    await refuseLate(tx, lifecycleId, asked, decision);
    const { version, environment } = asked;
    const standing = await decide(tx, executionContext(dependencies), { versionId: version.id, environment }, decision);
    await tellLifecycle(tx, { lifecycleId, round }, standing);
    return standing;
  });
}

/** Nothing is decided in a lifecycle that does not wait, but a repeated attempt finds what it recorded. @throws APPROVAL_NOT_WAITING */
async function refuseLate(tx: Transaction, lifecycle: string, asked: ApprovalCase, given: Decision): Promise<void> {
  const { status } = await requireLifecycle(tx, lifecycle);
  if (status === "waiting") return;
  const by = await findActorRef(tx, given.by);
  const repeated =
    given.breakGlass === true
      ? asked.openGlass !== null
      : asked.decisions.some((one) => one.by === by && one.decision === given.decision);
  if (!repeated) throw new Failure("APPROVAL_NOT_WAITING", { lifecycle, status });
}

/** The same about any version, by name. */
export async function recordVersionDecision(
  dependencies: Dependencies,
  { version, environment, ...decision }: VersionDecision,
): Promise<ApprovalStanding> {
  const { database } = dependencies;
  const [model = "", number] = version.split("@");
  const { version: found } = await findVersionCase(database, { model, number: Number(number), environment });
  const context = executionContext(dependencies);
  return database.transaction((tx) => decide(tx, context, { versionId: found.id, environment }, decision));
}

/** Whether what a lifecycle made may be deployed as things stand now. */
export async function isApproved(dependencies: Dependencies, lifecycleId: string): Promise<boolean> {
  return judgeStanding(await requireCase(dependencies.database, lifecycleId)).status === "approved";
}

async function requireCase(tx: Queryable, lifecycleId: string): Promise<ApprovalCase> {
  const found = await findLifecycleCase(tx, lifecycleId);
  if (!found) throw new Error(`lifecycle ${lifecycleId} has no version to decide about`);
  return found;
}

const STAGE_STATUS = { approved: "passed", rejected: "failed", waiting: "waiting", void: "waiting" } as const;
const STAGE_VERDICT = { approved: { verdict: "pass" }, rejected: { verdict: "fail" }, waiting: {}, void: {} } as const;

/** Shows in the lifecycle and its stage how the version stands. A stage that passed stays passed when its approval lapsed since. */
async function tellLifecycle(
  tx: Transaction,
  { lifecycleId, round }: LifecycleRun,
  standing: ApprovalStanding,
): Promise<void> {
  const key = { lifecycle: lifecycleId, stage: "approve", round } as const;
  const kept = standing.status === "approved" && (await findPassedStageRun(tx, key));
  const run = kept || ((await findStageRun(tx, key)) ?? (await startStageRun(tx, key)));
  if (run.finishedAt === null) {
    await finishStageRun(tx, {
      id: run.id,
      attempt: run.attempt,
      status: STAGE_STATUS[standing.status],
      ...STAGE_VERDICT[standing.status],
      headline: standing.says,
    });
  }
  await followLifecycle(tx, lifecycleId, standing);
}

async function followLifecycle(tx: Transaction, id: string, { status }: ApprovalStanding): Promise<void> {
  const waits = status === "waiting" || status === "void";
  const { status: before, startedBy, outcome } = await requireLifecycle(tx, id);
  if (waits === (before === "waiting")) return;
  await setLifecycleStatus(tx, { id, status: waits ? "waiting" : "running" });
  await recordAudit(tx, {
    actor: startedBy,
    subject: `lifecycle/${id}`,
    body: { kind: "lifecycle-status", status: waits ? "waiting" : "running", outcome, failureCode: null },
  });
}
