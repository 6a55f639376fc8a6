import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowFailure,
  TemporalFailure,
  allHandlersFinished,
  condition,
  defineUpdate,
  isCancellation,
  setHandler,
} from "@temporalio/workflow";
import type {
  AcceptedSpec,
  Decision,
  LifecycleInput,
  LifecycleResult,
  LifecycleRun,
  Request,
  StageOutcome,
} from "../contracts/messages.ts";
import type { ApprovalStanding } from "../contracts/approval.ts";
import { UPDATES } from "../contracts/names.ts";
import { closing, compute, control, training } from "./activity-options.ts";
import { remembered } from "./remember.ts";
import { rollOutInTurn } from "./turn.ts";

const decideUpdate = defineUpdate<ApprovalStanding, [Decision]>(UPDATES.decide);
const abortUpdate = defineUpdate<void, [Request]>(UPDATES.abort);
const pauseUpdate = defineUpdate<void, [Request]>(UPDATES.pause);
const resumeUpdate = defineUpdate<void, [Request]>(UPDATES.resume);

/** What people said while the lifecycle runs. */
interface Said {
  paused: boolean;
  approvalAwaited: boolean;
  /** How the version stands after the newest decision of this wait; null before the first. */
  standing: ApprovalStanding | null;
  /** What ended the wait, when somebody rejected. */
  rejection: string | null;
  abort: Request | null;
  /** The endpoint whose rollout is under way. */
  rollingOut: string | null;
}

/** Leaves the story early with a result; never an error of the program. */
class Ended extends Error {
  readonly result: LifecycleResult;

  constructor(result: LifecycleResult) {
    super(result.reason);
    this.result = result;
  }
}

/** From data to production. Judgements are made and recorded by the activities; this holds their order. */
export async function modelLifecycle(input: LifecycleInput): Promise<LifecycleResult> {
  const run: LifecycleRun = { lifecycleId: input.lifecycleId, round: input.round };
  const said: Said = {
    paused: false,
    approvalAwaited: false,
    standing: null,
    rejection: null,
    abort: null,
    rollingOut: null,
  };
  const story = new CancellationScope();
  listen(input, said, story);

  try {
    const result = await story
      .run(() => live(input, run, said))
      .catch((thrown: unknown) => {
        if (thrown instanceof Ended) return thrown.result;
        throw thrown;
      });
    // An abort that came when everything was done undoes nothing, so it may not be told as one.
    const aborted = said.abort !== null && result.status !== "completed";
    return await end(run, aborted ? abortedBy(said.abort) : result, null);
  } catch (thrown) {
    if (!(thrown instanceof TemporalFailure)) throw thrown;
    if (isCancellation(thrown)) return await end(run, abortedBy(said.abort), null);
    const failure = innermost(thrown);
    await end(run, { status: "failed", reason: failure.message }, failure.type ?? null);
    throw thrown;
  }
}

async function live(input: LifecycleInput, run: LifecycleRun, said: Said): Promise<LifecycleResult> {
  const spec = await control.acceptSpec(input);
  /** A pause takes effect between stages; what runs is not thrown away. */
  const unpaused = () => condition(() => !said.paused);

  await unpaused();
  await compute.snapshotData(run);
  await unpaused();
  await mustPass(compute.validateData(run));
  await unpaused();
  await training(spec.trainingTimeoutMs).trainModel(run);
  await compute.admitModel(run);
  await unpaused();
  await compute.optimizeModel(run);
  await unpaused();
  await mustPass(compute.evaluateModel(run));
  const reason = await deployApproved(spec, run, said, unpaused);
  if (spec.monitored) await control.startMonitor(run);
  return { status: "completed", reason };
}

/** A failed gate ends the run; an open one does too: "not enough evidence" never promotes. */
async function mustPass(stage: Promise<StageOutcome>): Promise<void> {
  const { verdict, headline } = await stage;
  if (verdict !== "pass") throw new Ended({ status: "failed", reason: headline });
}

/** An approval can lapse, or be asked for by a new policy, while the run is paused or waits: then people are asked again. */
async function deployApproved(
  spec: AcceptedSpec,
  run: LifecycleRun,
  said: Said,
  unpaused: () => Promise<void>,
): Promise<string> {
  for (let asks = spec.approvalRequired; ; asks = true) {
    if (asks) await approval(run, said);
    await unpaused();
    const reason = await deploy(spec, run, said);
    if (reason !== null) return reason;
  }
}

async function approval(run: LifecycleRun, said: Said): Promise<void> {
  said.standing = null;
  // From before the wait is recorded: whoever reads in Postgres that it waits may decide at once.
  said.approvalAwaited = true;
  const { waiting, rejected } = await control.awaitApproval(run);
  if (rejected !== undefined) throw new Ended({ status: "rejected", reason: rejected });
  if (waiting) await condition(() => said.rejection !== null || said.standing?.status === "approved");
  said.approvalAwaited = false;
  if (said.rejection !== null) throw new Ended({ status: "rejected", reason: said.rejection });
}

/** Null when approvals are missing. */
async function deploy(spec: AcceptedSpec, run: LifecycleRun, said: Said): Promise<string | null> {
  if (spec.endpoint === null) return "evaluated; the spec names no endpoint";
  const plan = await control.planRollout(run);
  if (plan === "unapproved") return null;
  if (plan === null) return "deployed in an earlier round";
  const rollout = await rollOutInTurn(plan, (runs) => (said.rollingOut = runs ? plan.endpoint : null));
  await closing.recordDeployment({ ...run, rollout });
  if (rollout.status !== "promoted") throw new Ended({ status: "failed", reason: rollout.reason });
  return rollout.reason;
}

const isDecided = ({ standing, rejection }: Said) => rejection !== null || standing?.status === "approved";

/** In histories of release 0.1.0 the activity answers nothing: one decision was all it took. */
async function recorded(recording: Promise<ApprovalStanding>, { decision, by }: Decision): Promise<ApprovalStanding> {
  const standing = (await recording) as ApprovalStanding | null | undefined;
  if (standing) return standing;
  return decision === "approve"
    ? { status: "approved", by: [by], says: `approved by ${by}` }
    : { status: "rejected", by, says: `rejected by ${by}` };
}

function listen(input: LifecycleInput, said: Said, story: CancellationScope): void {
  const { lifecycleId, round } = input;
  setHandler(
    decideUpdate,
    async (decision) => {
      // Postgres has the last word: its refusal reaches the caller and leaves the run waiting.
      const standing = await recorded(control.recordDecision({ lifecycleId, round, ...decision }), decision);
      // Answers may arrive in another order than Postgres gave them: what was decided stays.
      if (!isDecided(said)) said.standing = standing;
      if (standing.status === "rejected") said.rejection = standing.says;
      return standing;
    },
    {
      validator: (decision) => {
        if (!said.approvalAwaited || isDecided(said) || said.abort) {
          throw ApplicationFailure.nonRetryable(
            `lifecycle ${lifecycleId} is not waiting for an approval`,
            "APPROVAL_NOT_WAITING",
          );
        }
        if (decision.decision === "approve" && !decision.breakGlass && decision.by === input.startedBy) {
          const message = `${decision.by} started lifecycle ${lifecycleId} and may not approve it; ask somebody else`;
          throw ApplicationFailure.nonRetryable(message, "APPROVAL_BY_AUTHOR");
        }
      },
    },
  );
  const subject = `lifecycle/${lifecycleId}`;
  setHandler(
    abortUpdate,
    remembered(
      subject,
      "abort",
      (request) => {
        said.abort = request;
        story.cancel();
      },
      () => said.rollingOut,
    ),
  );
  setHandler(
    pauseUpdate,
    remembered(subject, "pause", () => {
      said.paused = true;
    }),
  );
  setHandler(
    resumeUpdate,
    remembered(subject, "resume", () => {
      said.paused = false;
    }),
  );
}

async function end(run: LifecycleRun, result: LifecycleResult, failureCode: string | null): Promise<LifecycleResult> {
  return CancellationScope.nonCancellable(async () => {
    await closing.endLifecycle({ ...run, ...result, failureCode });
    await condition(allHandlersFinished);
    return result;
  });
}

function abortedBy(request: Request | null): LifecycleResult {
  return { status: "aborted", reason: request ? `${request.by}: ${request.reason}` : "cancelled" };
}

/** The catalogued failure inside what Temporal wraps around it. */
function innermost(thrown: TemporalFailure): { message: string; type?: string | null } {
  let cause: Error = thrown;
  while ((cause instanceof ActivityFailure || cause instanceof ChildWorkflowFailure) && cause.cause)
    cause = cause.cause;
  return cause instanceof ApplicationFailure
    ? { message: cause.message, type: cause.type ?? null }
    : { message: cause.message };
}
