import { Context } from "@temporalio/activity";
import { deployDeed } from "../contracts/deeds.ts";
import { Failure } from "../contracts/failures.ts";
import type { ByHand, OpenedRollout, RolloutInput, RolloutResult } from "../contracts/messages.ts";
import { rolloutPlanSchema, type RolloutPlan } from "../contracts/rollout.ts";
import { judgeApprovals, livingDecisions } from "../core/approval/judge-approvals.ts";
import type { Queryable, Transaction } from "../db/client.ts";
import { loadApprovalCase } from "../db/queries/approval-case.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { useBreakGlass } from "../db/queries/break-glass.ts";
import { countedLatencyQuantile } from "../db/queries/counted.ts";
import { ensureEndpoint, requiresEvidence } from "../db/queries/endpoint.ts";
import { findPassingEvaluation } from "../db/queries/evaluation.ts";
import { requireLifecycle } from "../db/queries/lifecycle.ts";
import { findVersionById, type ModelVersion } from "../db/queries/model.ts";
import { latencyQuantile, scoreDeciles } from "../db/queries/prediction.ts";
import { findRollout, findRunningRollout, startRollout, type Rollout } from "../db/queries/rollout.ts";
import { findSameRollout } from "../db/queries/same-rollout.ts";
import { endTurn } from "../db/queries/rollout-turn.ts";
import { championOf } from "../db/queries/routing.ts";
import { authorize } from "./authorize.ts";
import { breakGlassFor } from "./decide.ts";
import type { Dependencies } from "./dependencies.ts";
import { requireWinnable } from "./require-winnable.ts";
import { closeRollout } from "./close-rollout.ts";
import { loadStageResult } from "./stage.ts";
import { versionName } from "./version-reference.ts";

/** Days of the champion's own answers that freeze what counts as slow and where its predictions lie. */
const REFERENCE_WINDOW_MS = 7 * 24 * 3600 * 1000;
/** Fewer requests than this say nothing about a quantile; then the floor, or a single edge, counts. */
const REFERENCE_MINIMUM_REQUESTS = 100;

/**
 * Fixes everything the rollout is judged by, before any traffic moves; refuses a version without the evidence its environment asks for,
 * and a plan that cannot conclude.
 */
export async function openRollout(dependencies: Dependencies, input: RolloutInput): Promise<OpenedRollout> {
  const { database } = dependencies;
  const asked = rolloutPlanSchema.parse(input.plan);
  const before = await findRollout(database, input.rolloutId);
  if (before) return opened(before);
  const version = await requireVersion(database, input);
  const name = versionName(version);

  const { by, statement } = await whoDeploys(dependencies, input, version);
  const endpoint = { name: input.endpoint, environment: input.environment, model: version.model };
  await database.transaction((tx) => ensureEndpoint(tx, endpoint));
  await requireEvidence(database, input, version);
  await closeOrphan(dependencies, input.endpoint);
  const champion = await championOf(database, input.endpoint);
  if (champion?.id === version.id) {
    const problems = `${name} is the champion already; deploy another version`;
    throw new Failure("INPUT_INVALID", { where: `endpoint ${input.endpoint}`, problems });
  }
  if (champion) await requireWinnable(database, { endpoint: input.endpoint, champion: champion.id, plan: asked });
  const former = champion && (await findSameRollout(database, { ...input, champion, version, asked }));
  const plan = former?.plan ?? (champion ? await freezeRanges(database, input.endpoint, champion.id, asked) : asked);
  const latencyThresholdMs = champion
    ? (former ?? { latencyThresholdMs: await slowFrom(database, input.endpoint, champion.id, plan) }).latencyThresholdMs
    : null;
  return database.transaction(async (tx) => {
    const { approvals, glass } = await entitle(tx, input);
    const rollout = await startRollout(tx, {
      id: input.rolloutId,
      endpoint: input.endpoint,
      lifecycle: input.lifecycle?.lifecycleId ?? null,
      plan,
      championVersion: champion?.id ?? null,
      canaryVersion: version.id,
      latencyThresholdMs,
      startedBy: by,
      continues: former ? (former.continues ?? former.id) : null,
    });
    await endTurn(tx, rollout.id);
    if (glass !== null) await useBreakGlass(tx, { id: glass, rollout: rollout.id });
    await recordAudit(tx, {
      actor: by,
      statement,
      subject: `rollout/${rollout.id}`,
      body: {
        kind: "rollout-started",
        endpoint: rollout.endpoint,
        planDigest: rollout.planDigest,
        championVersionId: rollout.championVersion,
        canaryVersionId: rollout.canaryVersion,
        approvals: [...approvals],
        glassId: glass,
        ...(rollout.continues !== null && { continues: rollout.continues }),
        ...(input.requestedAs === undefined ? {} : { requestedAs: input.requestedAs }),
      },
    });
    return opened(rollout);
  });
}

/**
 * Refuses who may not deploy, and what may not be deployed, as opening would, and uses nothing up: a rollout that waits for its endpoint is asked again
 * and again, and one that could not open must not make another give way. @throws as openRollout
 */
export async function requireDeployable(dependencies: Dependencies, input: RolloutInput): Promise<void> {
  if (input.lifecycle !== null) {
    await requireOwnRollout(dependencies, input);
    return;
  }
  const { database } = dependencies;
  const version = await requireVersion(database, input);
  const rehearsed = new Error("taken back");
  await database
    .transaction(async (tx) => {
      await authorizeDeploy(tx, input, version);
      await requireEvidence(tx, input, version);
      await entitle(tx, input);
      throw rehearsed;
    })
    .catch((thrown: unknown) => {
      if (thrown !== rehearsed) throw thrown;
    });
}

async function requireVersion(db: Queryable, { versionId }: RolloutInput): Promise<ModelVersion> {
  const version = await findVersionById(db, versionId);
  if (version) return version;
  throw new Failure("REFERENCE_UNKNOWN", { reference: `version ${versionId}` });
}

async function requireEvidence(db: Queryable, { environment }: RolloutInput, version: ModelVersion): Promise<void> {
  if (!(await requiresEvidence(db, environment)) || (await findPassingEvaluation(db, version.id))) return;
  throw new Failure("ENVIRONMENT_NEEDS_EVIDENCE", { environment, version: `model/${versionName(version)}` });
}

interface Entitlement {
  readonly approvals: readonly string[];
  readonly glass: string | null;
}

/** What lets the version in: approvals where they are asked for, or a broken glass. @throws APPROVAL_MISSING */
async function entitle(tx: Transaction, input: RolloutInput): Promise<Entitlement> {
  const asked = await loadApprovalCase(tx, input);
  if (!asked.needed) return { approvals: [], glass: null };
  const standing = judgeApprovals(asked);
  if (standing.status === "approved") {
    return { approvals: livingDecisions(asked, asked.decisions).map(({ id }) => id), glass: null };
  }
  if (input.breakGlass) return { approvals: [], glass: await breakGlassFor(tx, asked, input.breakGlass) };
  if (asked.openGlass !== null) return { approvals: [], glass: asked.openGlass };
  throw new Failure("APPROVAL_MISSING", {
    version: versionName(asked.version),
    environment: input.environment,
    missing: standing.says,
  });
}

/** Somebody asks for the rollout, or it is a lifecycle's own: then it is what that lifecycle made, for the place its spec names. */
async function whoDeploys(
  dependencies: Dependencies,
  input: RolloutInput,
  version: ModelVersion,
): Promise<{ by: string; statement: string | null }> {
  if (input.lifecycle !== null) return requireOwnRollout(dependencies, input);
  return dependencies.database.transaction((tx) => authorizeDeploy(tx, input, version));
}

const authorizeDeploy = (tx: Transaction, input: RolloutInput, { model }: ModelVersion) =>
  authorize(tx, {
    ...deployDeed(input),
    model,
    environment: input.environment,
    by: input.startedBy,
    proof: input.proof,
  });

/** A lifecycle's own rollout is of what it made, for the place its spec names. @throws PROOF_REFUSED */
async function requireOwnRollout(
  dependencies: Dependencies,
  input: RolloutInput,
): Promise<{ by: string; statement: string | null }> {
  const deed = deployDeed(input);
  if (input.lifecycle === null) {
    const found = "no lifecycle";
    throw new Failure("PROOF_REFUSED", { ...deed, found, allowed: "what a lifecycle made, where its spec says" });
  }
  const { spec, startedBy } = await requireLifecycle(dependencies.database, input.lifecycle.lifecycleId);
  const made = await loadStageResult(dependencies, input.lifecycle.lifecycleId, "optimize");
  const { endpoint, environment } = spec.deployment ?? {};
  if (endpoint === input.endpoint && environment === input.environment && made.version.versionId === input.versionId) {
    return { by: startedBy, statement: null };
  }
  const found = `lifecycle ${input.lifecycle.lifecycleId}, which made ${versionName(made.version)} for ${endpoint ?? "no endpoint"}`;
  throw new Failure("PROOF_REFUSED", { ...deed, found, allowed: "what the lifecycle made, where its spec says" });
}

const opened = ({ championVersion, plan }: Rollout): OpenedRollout => ({
  hasChampion: championVersion !== null,
  stepCount: plan.steps.length,
  steps: plan.steps,
  lookIntervalMs: plan.lookIntervalMs,
  deadlineMs: plan.deadlineMs,
  onDeadline: plan.onDeadline,
  ...(plan.shadow && { shadowed: true }),
  ...(plan.bakeMs !== undefined && { bakeMs: plan.bakeMs }),
  ...(plan.observeMs !== undefined && { observeMs: plan.observeMs }),
});

/** The champion's own quantile, frozen before the canary gets traffic, never below the plan's floor. */
async function slowFrom(
  database: Dependencies["database"],
  endpoint: string,
  modelVersion: string,
  plan: RolloutPlan,
): Promise<number | null> {
  const guardrail = plan.guardrails.find((one) => one.name === "latency");
  if (!guardrail) return null;
  const since = new Date(Date.now() - REFERENCE_WINDOW_MS);
  const wanted = { endpoint, modelVersion, since, quantile: guardrail.quantile };
  const isEnough = (seen: { readonly sampleCount: number } | null) =>
    seen !== null && seen.sampleCount >= REFERENCE_MINIMUM_REQUESTS;
  const logged = await latencyQuantile(database, wanted);
  // A log that keeps few rows must not make everything count as slow: what gateways counted is coarser, and of every request.
  const seen = isEnough(logged) ? logged : await countedLatencyQuantile(database, wanted);
  return Math.max(guardrail.floorMs, isEnough(seen) ? (seen?.latencyMs ?? 0) : 0);
}

/** The champion's own deciles as the ranges of predictions, unless the plan names its own; one edge where it has too few answers. */
async function freezeRanges(
  database: Dependencies["database"],
  endpoint: string,
  modelVersion: string,
  plan: RolloutPlan,
): Promise<RolloutPlan> {
  if (!plan.guardrails.some((one) => one.name === "prediction-shift" && !one.edges)) return plan;
  const since = new Date(Date.now() - REFERENCE_WINDOW_MS);
  const seen = await scoreDeciles(database, { endpoint, modelVersion, since });
  const edges = seen.sampleCount >= REFERENCE_MINIMUM_REQUESTS && seen.edges.length > 0 ? seen.edges : [0.5];
  const guardrails = plan.guardrails.map((one) => (one.name === "prediction-shift" ? { edges, ...one } : one));
  return rolloutPlanSchema.parse({ ...plan, guardrails });
}

/**
 * Ends a rollout whose workflow is gone, as after a termination: its row would block the endpoint for ever. The caller runs under
 * the endpoint's workflow id, so no other rollout of it can; one that began after this activity was scheduled is the successor of a
 * caller that is gone itself, and stays.
 */
export async function closeOrphan(
  dependencies: Dependencies,
  endpoint: string,
  hand?: ByHand,
): Promise<RolloutResult | null> {
  const running = await findRunningRollout(dependencies.database, endpoint);
  if (!running || running.startedAt.getTime() > Context.current().info.scheduledTimestampMs) return null;
  const reason = "its workflow ended without closing it";
  return closeRollout(dependencies, { rolloutId: running.id, status: "aborted", reason, ...(hand && { hand }) });
}
