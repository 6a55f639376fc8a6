import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Context } from "@temporalio/activity";
import { CancelledFailure } from "@temporalio/common";
import { isFailure } from "../contracts/failures.ts";
import type { LifecycleRun, StageOutcome } from "../contracts/messages.ts";
import type { Stage, StageStatus, Verdict } from "../contracts/names.ts";
import type { LifecycleSpec } from "../contracts/spec.ts";
import { stageResultSchemas, type StageResult } from "../contracts/stages.ts";
import type { Transaction } from "../db/client.ts";
import type { JsonValue } from "../db/json.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { requireLifecycle, type Lifecycle } from "../db/queries/lifecycle.ts";
import {
  recordExecution,
  type ExecutionContext,
  type ExecutionFrame,
  type ExecutionRequest,
} from "../db/queries/lineage/record-execution.ts";
import { findOperation, runOperation } from "../db/queries/operation.ts";
import { findPassedStageRun, finishStageRun, startStageRun, type StageRun } from "../db/queries/stage-run.ts";
import type { Dependencies } from "./dependencies.ts";
import { withHeartbeat } from "./heartbeat.ts";
import { executionContext, operationContext } from "./operation-context.ts";

type ResultStage = keyof typeof stageResultSchemas;

/** What a stage's work gets. */
export interface StageTools {
  readonly lifecycle: Lifecycle;
  readonly spec: LifecycleSpec;
  readonly stageRun: StageRun;
  readonly signal: AbortSignal;
  /** `share` from 0 to 1. */
  readonly progress: (share: number, note: string) => void;
  /** Scratch directory of this stage, round and lifecycle; the same in every attempt. */
  readonly directory: string;
  /** What an earlier stage left behind, whichever round passed it. */
  readonly result: <Name extends ResultStage>(stage: Name) => Promise<StageResult<Name>>;
}

/** What a stage did, besides what every execution of it shares: lifecycle, round, start, who ran it. */
export type StageExecution = Omit<ExecutionRequest, keyof ExecutionFrame>;
/** Records an execution of the stage, sealed with it. */
type Seal = (execution: StageExecution) => Promise<void>;

/** What a stage's work hands back to be recorded in one transaction. */
export interface StageEnd<Name extends ResultStage> {
  readonly verdict: Verdict;
  /** The one number that mattered, in a sentence. */
  readonly headline: string;
  /** Writes the stage's domain rows and lineage and tells what it leaves behind; stage run, ledger and audit event are written around it. */
  readonly record: (tx: Transaction, seal: Seal, frame: ExecutionFrame) => Promise<StageResult<Name>>;
}

const STATUS_OF_VERDICT = { pass: "passed", fail: "failed", inconclusive: "inconclusive" } as const satisfies Record<
  Verdict,
  StageStatus
>;

/**
 * One stage of a lifecycle: finds what an earlier attempt or round already did, else does the work under heartbeat and
 * commits its rows, lineage, ledger entry and audit event together. A catalogued failure that no retry can mend ends the
 * stage visibly before it is thrown.
 */
export async function runStage<Name extends ResultStage>(
  dependencies: Dependencies,
  { lifecycleId, round }: LifecycleRun,
  stage: Name,
  work: (tools: StageTools) => Promise<StageEnd<Name>>,
): Promise<StageOutcome> {
  const { database } = dependencies;
  const passed = await findPassedStageRun(database, { lifecycle: lifecycleId, stage });
  if (passed) return { stageRunId: passed.id, verdict: "pass", headline: passed.headline ?? "" };
  const key = `lifecycle/${lifecycleId}/${stage}/${round}`;
  const before = await findOperation(database, key);
  if (before) return before.result as unknown as StageOutcome;

  const lifecycle = await requireLifecycle(database, lifecycleId);
  const stageRun = await database.transaction((tx) => startStageRun(tx, { lifecycle: lifecycleId, stage, round }));
  const directory = join(dependencies.workDirectory, lifecycleId, String(round), stage);
  await mkdir(directory, { recursive: true });
  try {
    const end = await withHeartbeat((tools) =>
      work({
        ...tools,
        lifecycle,
        spec: lifecycle.spec,
        stageRun,
        directory,
        result: (earlier) => loadStageResult(dependencies, lifecycleId, earlier),
      }),
    );
    return await runOperation(
      database.earlyRelease,
      { key, request: { lifecycleId, stage, round }, context: operationContext() },
      (tx) => recordEnd(tx, { stage, lifecycle, stageRun, end, context: executionContext(dependencies) }),
    );
  } catch (thrown) {
    await recordThrown(dependencies, { stage, lifecycle, stageRun, thrown });
    throw thrown;
  }
}

/** @throws when the stage has not passed: the workflow's order guarantees it has. */
export async function loadStageResult<Name extends ResultStage>(
  { database }: Dependencies,
  lifecycleId: string,
  stage: Name,
): Promise<StageResult<Name>> {
  const run = await findPassedStageRun(database, { lifecycle: lifecycleId, stage });
  if (!run) throw new Error(`lifecycle ${lifecycleId}: stage ${stage} has not passed`);
  return stageResultSchemas[stage].parse(run.result) as StageResult<Name>;
}

interface Ending {
  readonly stage: Stage;
  readonly lifecycle: Lifecycle;
  readonly stageRun: StageRun;
}

async function recordEnd<Name extends ResultStage>(
  tx: Transaction,
  {
    stage,
    lifecycle,
    stageRun,
    end,
    context,
  }: Ending & { readonly end: StageEnd<Name>; readonly context: ExecutionContext },
): Promise<StageOutcome> {
  const { round, startedAt } = stageRun;
  const frame: ExecutionFrame = { lifecycle: lifecycle.id, round, startedAt, context };
  const seal: Seal = async (execution) => {
    await recordExecution(tx, { ...execution, ...frame });
  };
  const result = (await end.record(tx, seal, frame)) as unknown as JsonValue;
  const { verdict, headline } = end;
  const status = STATUS_OF_VERDICT[verdict];
  await finishStageRun(tx, { id: stageRun.id, attempt: stageRun.attempt, status, verdict, headline, result });
  await auditEnd(tx, { stage, lifecycle, stageRun }, { status, verdict, headline });
  return { stageRunId: stageRun.id, verdict, headline };
}

/** Leaves a trace of the end before the error travels on; an error that a retry may mend leaves the stage running. */
async function recordThrown(
  { database }: Dependencies,
  { thrown, ...ending }: Ending & { readonly thrown: unknown },
): Promise<void> {
  const { id, attempt } = ending.stageRun;
  // A worker that shuts down cancels too, but then another one takes the stage over.
  const cancelled =
    thrown instanceof CancelledFailure && Context.current().cancellationDetails?.cancelRequested === true;
  if (!cancelled && (!isFailure(thrown) || thrown.retryable || thrown.code === "STALE_ATTEMPT")) return;
  const status = cancelled ? "cancelled" : "failed";
  const headline = thrown.message;
  const failure = isFailure(thrown)
    ? ({ code: thrown.code, message: thrown.message } as const)
    : { code: "CANCELLED", message: thrown.message };
  await database.transaction(async (tx) => {
    await finishStageRun(tx, { id, attempt, status, headline, failure });
    await auditEnd(tx, ending, { status, verdict: null, headline });
  });
}

async function auditEnd(
  tx: Transaction,
  { stage, lifecycle, stageRun }: Ending,
  end: { status: StageStatus; verdict: Verdict | null; headline: string },
): Promise<void> {
  await recordAudit(tx, {
    actor: lifecycle.startedBy,
    subject: `lifecycle/${lifecycle.id}`,
    body: { kind: "stage-finished", stage, round: stageRun.round, ...end },
  });
}
