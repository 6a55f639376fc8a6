import { createHash } from "node:crypto";
import { performance } from "node:perf_hooks";
import type { Tensor } from "../contracts/data.ts";
import { Failure, isFailure } from "../contracts/failures.ts";
import { INFERENCE_HEADERS, type PredictionRecord } from "../contracts/inference.ts";
import { decodePrediction } from "../core/data/decode-prediction.ts";
import { chooseArm, chooseVersion, type Choice } from "./choose-arm.ts";
import type { DatabaseClock } from "./database-clock.ts";
import { answerFailure, isClientFault, type Answer } from "./http/answer.ts";
import { createInferenceId } from "./inference-id.ts";
import type { GatewayMetrics } from "./metrics.ts";
import { readModelInput, type ModelInput } from "./model-input.ts";
import type { PredictionLog } from "./prediction-log.ts";
import { parseInferRequest, type InferRequest } from "./protocol/infer-request.ts";
import { writeInferResponse } from "./protocol/infer-response.ts";
import { invalid } from "./protocol/json-data.ts";
import { createRawRequest } from "./protocol/raw-request.ts";
import type { AppliedRoute } from "./routing-table.ts";

export interface InferenceParts {
  readonly clock: DatabaseClock;
  readonly log: Pick<PredictionLog, "append">;
  readonly metrics: Pick<GatewayMetrics, "countRequest">;
}

export interface InferCall {
  readonly applied: AppliedRoute;
  /** Version the client named in the path; null leaves the choice to the route. */
  readonly version: string | null;
  readonly body: Uint8Array;
  /** `Inference-Header-Content-Length`, null without it. */
  readonly headerLength: number | null;
  /** The routing key's header; the request's parameter goes before it. */
  readonly routingKey: string | null;
}

/** One request on its way through a version. */
interface Passage {
  readonly applied: AppliedRoute;
  readonly choice: Choice;
  readonly id: string;
  readonly routingKey: string | null;
  readonly startedAt: number;
}

/**
 * Answers an infer request: chooses the arm, encodes, runs, writes, logs.
 *
 * @throws Failures; `answerFailure` has their statuses
 */
export async function infer(parts: InferenceParts, call: InferCall): Promise<Answer> {
  const startedAt = performance.now();
  const { applied } = call;
  const named = call.version === null ? null : chooseVersion(applied, call.version);
  const request = parseRequest(call);
  const id = request.id ?? createInferenceId(parts.clock.nowMs());
  const routingKey = request.routingKey ?? call.routingKey;
  const choice = named ?? chooseArm(applied, routingKey ?? id, startedAt);
  const passage: Passage = { applied, choice, id, routingKey, startedAt };
  try {
    const input = readInput(parts, passage, request);
    return await run(parts, passage, request, input);
  } catch (thrown) {
    if (!isFailure(thrown)) throw thrown;
    // Told on errors too: who reports one can say which version and epoch it was.
    const { headers, ...answer } = answerFailure(thrown);
    return { ...answer, headers: { ...headers, ...identify(passage) } };
  }
}

function identify({ applied, choice, id }: Passage): Readonly<Record<string, string>> {
  return {
    [INFERENCE_HEADERS.epoch]: String(applied.route.epoch),
    [INFERENCE_HEADERS.arm]: choice.arm,
    [INFERENCE_HEADERS.inferenceId]: id,
  };
}

function parseRequest({ applied, headerLength, body }: InferCall): InferRequest {
  if (headerLength !== 0) return parseInferRequest(body, headerLength);
  const signature = (applied.champion ?? applied.canary)?.version.signature;
  return createRawRequest(signature?.inputs ?? [], body);
}

function readInput(parts: InferenceParts, passage: Passage, request: InferRequest): ModelInput {
  const { applied, choice } = passage;
  const { signature } = choice.live.version;
  const where = `endpoint ${applied.route.endpoint}`;
  try {
    const outputs = signature.outputs.map(({ name }) => name);
    const unknown = request.outputs?.find(({ name }) => !outputs.includes(name));
    if (unknown)
      throw invalid(where, `output "${unknown.name}" is not one of the model's; allowed: ${outputs.join(", ")}`);
    return readModelInput(request, signature, where);
  } catch (thrown) {
    // What the champion would have taken, the canary refuses: that is the canary's harm and not the client's fault.
    if (choice.arm === "canary" && applied.champion && accepts(applied.champion.version.signature, request)) {
      record(parts, passage, { outcome: "error", rowCount: 1 });
    } else {
      count(parts, passage, "refused");
    }
    throw thrown;
  }
}

function accepts(signature: Parameters<typeof readModelInput>[1], request: InferRequest): boolean {
  try {
    readModelInput(request, signature, "champion");
    return true;
  } catch (thrown) {
    if (isClientFault(thrown)) return false;
    throw thrown;
  }
}

async function run(parts: InferenceParts, passage: Passage, request: InferRequest, input: ModelInput): Promise<Answer> {
  try {
    return await runModel(parts, passage, request, input);
  } catch (thrown) {
    record(parts, passage, { outcome: "error", rowCount: input.rowCount });
    throw thrown;
  }
}

async function runModel(
  parts: InferenceParts,
  passage: Passage,
  request: InferRequest,
  input: ModelInput,
): Promise<Answer> {
  const { choice, applied, id } = passage;
  const { version, process } = choice.live;
  const outputs: readonly Tensor[] = await process.infer(input.tensors);
  const scores = decodePrediction(version.signature, outputs);
  if (scores.length !== input.rowCount) {
    throw new Failure("INFERENCE_FAILED", {
      model: `${applied.route.endpoint}@${version.number}`,
      reason: `${input.rowCount} rows went in, ${scores.length} predictions came out`,
    });
  }
  const response = { modelName: applied.route.endpoint, modelVersion: String(version.number), id, outputs };
  const { body, headerLength } = writeInferResponse(response, request);
  record(parts, passage, { outcome: "ok", scores });
  return {
    status: 200,
    headers: {
      "content-type": headerLength === null ? "application/json" : "application/octet-stream",
      ...(headerLength === null ? {} : { [INFERENCE_HEADERS.headerLength]: String(headerLength) }),
      ...identify(passage),
    },
    body,
  };
}

type Result =
  | { readonly outcome: "ok"; readonly scores: Float32Array | Float64Array }
  | { readonly outcome: "error"; readonly rowCount: number };

/** Counts the request and logs a row for each of its rows. */
function record(parts: InferenceParts, passage: Passage, result: Result): void {
  const { applied, choice, id, routingKey } = passage;
  const { versionId, signature } = choice.live.version;
  const latencyMs = count(parts, passage, result.outcome);
  const rowCount = result.outcome === "ok" ? result.scores.length : result.rowCount;
  const routingKeyHash = routingKey === null ? null : hashKey(applied.route.salt, routingKey);
  const at = new Date(parts.clock.nowMs());
  for (let row = 0; row < rowCount; row++) {
    const score = result.outcome === "ok" ? (result.scores[row] ?? null) : null;
    const prediction: PredictionRecord = {
      inferenceId: rowCount === 1 ? id : `${id}/${row}`,
      endpoint: applied.route.endpoint,
      epoch: applied.route.epoch,
      assigned: choice.assigned,
      arm: choice.arm,
      versionId,
      routingKeyHash,
      at,
      latencyMs,
      outcome: result.outcome,
      score,
      decision: score === null ? null : score >= signature.prediction.threshold ? 1 : 0,
    };
    parts.log.append(prediction);
  }
}

function count(parts: InferenceParts, { applied, choice, startedAt }: Passage, outcome: string): number {
  const latencyMs = performance.now() - startedAt;
  parts.metrics.countRequest({ endpoint: applied.route.endpoint, arm: choice.arm, outcome }, latencyMs);
  return latencyMs;
}

const hashKey = (salt: string, key: string): string => createHash("sha256").update(`${salt}\u0000${key}`).digest("hex");
