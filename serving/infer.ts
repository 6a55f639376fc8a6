import { createHash } from "node:crypto";
import { performance } from "node:perf_hooks";
import type { Tensor } from "../contracts/data.ts";
import { Failure, isFailure } from "../contracts/failures.ts";
import type { Counting, RequestRecord } from "../contracts/inference.ts";
import type { Arm } from "../contracts/names.ts";
import { decodePrediction } from "../core/data/decode-prediction.ts";
import { chooseArm, chooseVersion, type Choice } from "./choose-arm.ts";
import type { DatabaseClock } from "./database-clock.ts";
import type { Departure, RequestBounds } from "../adapters/inference/model-process.ts";
import { BUG_MESSAGE, isClientFault } from "./failure-status.ts";
import { createInferenceId } from "./inference-id.ts";
import type { GatewayMetrics } from "./metrics.ts";
import { readModelInput, type ModelInput } from "./model-input.ts";
import type { FieldKeeper } from "./log/logged-fields.ts";
import { isSampled } from "./log/sample.ts";
import type { PredictionLog } from "./log/prediction-log.ts";
import type { Mirror } from "./mirror.ts";
import type { InferRequest } from "./protocol/infer-request.ts";
import type { InferResponse } from "./protocol/infer-response.ts";
import { invalid } from "./protocol/json-data.ts";
import type { AppliedRoute } from "./routing-table.ts";
import type { InferenceStatistics } from "./statistics.ts";
import type { VersionWatch } from "./version-watch.ts";
import type { RequestTrace, TraceHeader, Tracer } from "./trace/tracer.ts";
import type { LiveVersion } from "./version-pool.ts";

export interface InferenceParts {
  readonly clock: DatabaseClock;
  readonly log: Pick<PredictionLog, "append">;
  readonly keepFields: FieldKeeper;
  /** Undefined where nobody collects traces. */
  readonly tracer?: Tracer | undefined;
  readonly metrics: Pick<GatewayMetrics, "countRequest" | "countTakeover">;
  readonly statistics: Pick<InferenceStatistics, "countRequest">;
  readonly mirror: Pick<Mirror, "offer">;
  readonly watch: Pick<VersionWatch, "mismatched">;
}

/** One request, whichever protocol it came by. */
export interface InferCall<Written> {
  readonly applied: AppliedRoute;
  /** Version the client named; null leaves the choice to the route. */
  readonly version: string | null;
  /** The routing key's header; the request's parameter goes before it. */
  readonly routingKey: string | null;
  /** How long the client waits, by what its protocol says; null where it does not. The request's parameter may say less. */
  readonly timeoutMs: number | null;
  /** Aborted when the client goes away: what of it still waits is not computed. */
  readonly signal: Departure;
  readonly traceHeader: TraceHeader;
  readonly read: () => InferRequest;
  /** Its failures are the model's: outputs that the protocol cannot carry. */
  readonly write: (response: InferResponse, request: InferRequest, identity: Identity) => Written;
}

/** Who answered; told on errors too, so that who reports one can say which version and epoch it was. */
export interface Identity {
  readonly id: string;
  readonly epoch: number;
  readonly arm: Arm;
}

export type InferOutcome<Written> =
  | { readonly kind: "answered"; readonly identity: Identity; readonly written: Written }
  | { readonly kind: "failed"; readonly identity: Identity; readonly failure: Failure };

/** One request on its way through a version. */
interface Passage {
  readonly applied: AppliedRoute;
  readonly choice: Choice;
  /** What the log knows the passage by: the request's id, or that and what tells the canary's error apart. */
  readonly id: string;
  readonly requestId: string;
  readonly routingKey: string | null;
  readonly startedAt: number;
  /** Reading of `performance.now()` after which nobody waits for the answer. */
  readonly deadline: number;
  readonly signal: Departure;
  readonly trace: RequestTrace | null;
}

/**
 * Answers an infer request: chooses the arm, encodes, runs, writes, logs. Where the route chose the canary and the canary
 * fails, the champion answers, once: the error stays in the log as the canary's, and the client is spared it.
 *
 * @throws Failures of requests that reach no version
 */
export async function infer<Written>(parts: InferenceParts, call: InferCall<Written>): Promise<InferOutcome<Written>> {
  const trace = parts.tracer?.begin(call.applied.route.endpoint, call.traceHeader) ?? null;
  if (!trace) return await answer(parts, call, null);
  try {
    const outcome = await answer(parts, call, trace);
    const { id, epoch, arm } = outcome.identity;
    const attributes = { "modelwright.inference_id": id, "modelwright.epoch": epoch, "modelwright.arm": arm };
    trace.end({ attributes, failure: outcome.kind === "failed" ? outcome.failure.code : null });
    return outcome;
  } catch (thrown) {
    trace.end({ attributes: {}, failure: isFailure(thrown) ? thrown.code : BUG_MESSAGE });
    throw thrown;
  }
}

async function answer<Written>(
  parts: InferenceParts,
  call: InferCall<Written>,
  trace: RequestTrace | null,
): Promise<InferOutcome<Written>> {
  const startedAt = performance.now();
  const { applied } = call;
  const named = call.version === null ? null : chooseVersion(applied, call.version);
  const request = call.read();
  const id = request.id ?? createInferenceId(parts.clock.nowMs());
  const routingKey = request.routingKey ?? call.routingKey;
  const choice = named ?? chooseArm(applied, routingKey ?? id, startedAt);
  const deadline = startedAt + Math.min(call.timeoutMs ?? Infinity, request.timeoutMs ?? Infinity);
  const { signal } = call;
  const passage: Passage = { applied, choice, id, requestId: id, routingKey, startedAt, deadline, signal, trace };

  const input = readInput(applied, choice.live, request);
  const outcome = isFailure(input) ? failed(passage, input) : await run(parts, passage, request, input, call.write);
  if (outcome.kind === "answered") return outcome;
  if (outcome.failure.code === "REQUEST_ABANDONED") {
    count(parts, passage, "abandoned");
    return outcome;
  }

  const champion = choice.arm === "canary" && isMendable(passage, outcome.failure) ? applied.champion : null;
  const again = champion && readInput(applied, champion, request);
  const taken = again !== null && !isFailure(again) ? again : null;
  if (isFailure(input) && !taken) {
    count(parts, passage, "refused");
    return outcome;
  }
  // What the champion would have taken, the canary refuses: that is the canary's harm and not the client's fault.
  const rowCount = isFailure(input) ? (taken?.rowCount ?? 1) : input.rowCount;
  const own = isFailure(input) ? null : input;
  if (named || !champion || !taken) {
    record(parts, passage, { outcome: endOf(outcome.failure), rowCount, input: own });
    return outcome;
  }
  // The id names the prediction that the client got; the canary's error stands beside it.
  record(parts, { ...passage, id: `${id}/canary` }, { outcome: endOf(outcome.failure), rowCount, input: own });
  parts.metrics.countTakeover(applied.route.endpoint);
  return await takeOver(parts, passage, request, call.write, champion, taken);
}

/** False where the champion could do no more: nobody waits any longer, or it is the one who has no room. */
const isMendable = ({ applied, deadline }: Passage, { code }: Failure): boolean =>
  code !== "REQUEST_EXPIRED" &&
  performance.now() < deadline &&
  !(code === "GATEWAY_OVERLOADED" && applied.champion?.process.hasRoom(1) === false);

/** Not assigned: the champion's answer to a request of the canary's share says nothing on the champion's share. */
async function takeOver<Written>(
  parts: InferenceParts,
  before: Passage,
  request: InferRequest,
  write: InferCall<Written>["write"],
  champion: LiveVersion,
  input: ModelInput,
): Promise<InferOutcome<Written>> {
  const choice: Choice = { arm: "champion", assigned: false, live: champion };
  // Its own time only: the champion's latencies are what canaries are measured by.
  const passage = { ...before, choice, startedAt: performance.now() };
  const outcome = await run(parts, passage, request, input, write);
  if (outcome.kind === "failed") {
    if (outcome.failure.code === "REQUEST_ABANDONED") count(parts, passage, "abandoned");
    else record(parts, passage, { outcome: endOf(outcome.failure), rowCount: input.rowCount, input });
  }
  return outcome;
}

const identify = ({ applied, choice, id }: Passage): Identity => ({ id, epoch: applied.route.epoch, arm: choice.arm });

const failed = (passage: Passage, failure: Failure) =>
  ({ kind: "failed", identity: identify(passage), failure }) as const;

/** The request as the version's tensors, or why the version does not take it. */
function readInput({ route }: AppliedRoute, { version }: LiveVersion, request: InferRequest): ModelInput | Failure {
  const where = `endpoint ${route.endpoint}`;
  try {
    const outputs = version.signature.outputs.map(({ name }) => name);
    const unknown = request.outputs?.find(({ name }) => !outputs.includes(name));
    if (unknown)
      throw invalid(where, `output "${unknown.name}" is not one of the model's; allowed: ${outputs.join(", ")}`);
    return readModelInput(request, version.signature, where);
  } catch (thrown) {
    if (isFailure(thrown) && isClientFault(thrown)) return thrown;
    throw thrown;
  }
}

/** Runs and writes. Records the answer; a failure is for the caller to record, who knows whether it is the end. */
async function run<Written>(
  parts: InferenceParts,
  passage: Passage,
  request: InferRequest,
  input: ModelInput,
  write: InferCall<Written>["write"],
): Promise<InferOutcome<Written>> {
  const { choice, applied, id } = passage;
  const { version, process } = choice.live;
  const identity = identify(passage);
  try {
    refuseUnlessRoom(passage, input.rowCount);
    const outputs: readonly Tensor[] = await process.infer(input.tensors, boundsOf(passage));
    const scores = decodePrediction(version.signature, outputs);
    if (scores.length !== input.rowCount) {
      throw new Failure("INFERENCE_FAILED", {
        model: `${applied.route.endpoint}@${version.number}`,
        reason: `${input.rowCount} rows went in, ${scores.length} predictions came out`,
      });
    }
    const response = { modelName: applied.route.endpoint, modelVersion: String(version.number), id, outputs };
    const written = write(response, request, identity);
    record(parts, passage, { outcome: "ok", scores, input });
    parts.mirror.offer({ applied, choice, id, request, scores });
    return { kind: "answered", identity, written };
  } catch (thrown) {
    if (isFailure(thrown)) {
      if (thrown.code === "MODEL_SIGNATURE") parts.watch.mismatched(version.versionId);
      return failed(passage, thrown);
    }
    record(parts, passage, { outcome: "error", rowCount: input.rowCount, input });
    throw thrown;
  }
}

function boundsOf({ deadline, signal, trace, choice }: Passage): RequestBounds {
  const bounds = { timeoutMs: deadline - performance.now(), signal };
  if (!trace) return bounds;
  const who = { version: String(choice.live.version.number), arm: choice.arm };
  return { ...bounds, onRun: (run) => trace.ran({ ...run, ...who }) };
}

/**
 * Sheds what the champion has no room for, whichever arm it was for: were only the champion's own requests shed, the canary would look
 * the better for it. What only the canary has no room for is the canary's harm.
 *
 * @throws GATEWAY_OVERLOADED
 */
function refuseUnlessRoom({ applied, choice }: Passage, rowCount: number): void {
  const champion = applied.champion?.process;
  if (!choice.assigned || !champion || champion.hasRoom(rowCount)) return;
  throw new Failure("GATEWAY_OVERLOADED", {
    endpoint: applied.route.endpoint,
    waiting: champion.waitingRows(),
    allowed: champion.maximumWaitingRows,
  });
}

type Result = (
  | { readonly outcome: "ok"; readonly scores: Float32Array | Float64Array }
  | { readonly outcome: "error" | "shed"; readonly rowCount: number }
) & {
  /** Null where the version did not take the request. */
  readonly input: ModelInput | null;
};

const endOf = ({ code }: Failure): "error" | "shed" => (code === "GATEWAY_OVERLOADED" ? "shed" : "error");

const NO_SCORES = new Float32Array(0);

/** Counts the request and hands it to the log. */
function record(parts: InferenceParts, passage: Passage, result: Result): void {
  const { applied, choice, id, routingKey } = passage;
  const { version } = choice.live;
  const { endpoint, epoch, salt, counting } = applied.route;
  const outcome = result.outcome === "ok" ? "ok" : "error";
  const latencyMs = count(parts, passage, outcome);
  const scores = result.outcome === "ok" ? result.scores : NO_SCORES;
  const rowCount = result.outcome === "ok" ? scores.length : result.rowCount;
  const nowMs = parts.clock.nowMs();
  parts.statistics.countRequest({ endpoint, version, outcome, rowCount, latencyMs, nowMs });
  const { log } = applied.route;
  const sampled = isSampled(passage.requestId, log?.sampleShare ?? 1);
  parts.log.append({
    id,
    endpoint,
    epoch,
    assigned: choice.assigned,
    arm: choice.arm,
    versionId: version.versionId,
    routingKeyHash: routingKey === null ? null : hashKey(salt, routingKey),
    atMs: nowMs,
    latencyMs,
    outcome: result.outcome,
    rowCount,
    scores,
    threshold: version.signature.prediction.threshold,
    judged: counting ? judge(counting, latencyMs, scores[0]) : null,
    fields: sampled && result.input ? parts.keepFields(log, version.signature, result.input) : null,
    sampled,
  });
}

/** What a look asks of a request; an edge belongs to the range above it. */
function judge(
  { slowAboveMs, edges }: Counting,
  latencyMs: number,
  score: number | undefined,
): RequestRecord["judged"] {
  const above = edges?.filter((edge) => score !== undefined && score >= edge).length ?? 0;
  return {
    slow: slowAboveMs !== null && latencyMs > slowAboveMs,
    range: edges && score !== undefined ? above : null,
    ranges: edges ? edges.length + 1 : 0,
  };
}

function count(parts: InferenceParts, { applied, choice, startedAt }: Passage, outcome: string): number {
  const latencyMs = performance.now() - startedAt;
  parts.metrics.countRequest({ endpoint: applied.route.endpoint, arm: choice.arm, outcome }, latencyMs);
  return latencyMs;
}

const hashKey = (salt: string, key: string): string => createHash("sha256").update(`${salt}\u0000${key}`).digest("hex");
