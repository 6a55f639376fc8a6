import { INFERENCE_HEADERS } from "../contracts/inference.ts";
import { answerFailure, type Answer } from "./http/answer.ts";
import type { HttpRequest } from "./http/server.ts";
import { infer, type Identity, type InferenceParts } from "./infer.ts";
import { parseInferRequest } from "./protocol/infer-request.ts";
import { writeInferResponse } from "./protocol/infer-response.ts";
import { invalid } from "./protocol/json-data.ts";
import { createRawRequest } from "./protocol/raw-request.ts";
import type { AppliedRoute } from "./routing-table.ts";

/** `POST /v2/models/{model}/infer`: JSON, the binary extension, or a raw body. */
export async function answerInference(
  parts: InferenceParts,
  applied: AppliedRoute,
  { parameters, headers, body, signal }: HttpRequest,
): Promise<Answer> {
  const headerLength = readHeaderLength(headers[INFERENCE_HEADERS.headerLength]);
  const outcome = await infer(parts, {
    applied,
    version: parameters["version"] ?? null,
    routingKey: firstValue(headers[INFERENCE_HEADERS.routingKey]),
    timeoutMs: readTimeoutHeader(firstValue(headers[INFERENCE_HEADERS.timeoutMs])),
    signal,
    traceHeader: (name) => firstValue(headers[name]),
    read: () => {
      if (headerLength !== 0) return parseInferRequest(body, headerLength);
      const signature = (applied.champion ?? applied.canary)?.version.signature;
      return createRawRequest(signature?.inputs ?? [], body);
    },
    write: writeInferResponse,
  });
  const identity = identityHeaders(outcome.identity);
  if (outcome.kind === "failed") {
    const answer = answerFailure(outcome.failure);
    return { ...answer, headers: { ...answer.headers, ...identity } };
  }
  const { body: bytes, headerLength: jsonLength } = outcome.written;
  const described: Record<string, string> =
    jsonLength === null
      ? { "content-type": "application/json", ...identity }
      : {
          "content-type": "application/octet-stream",
          [INFERENCE_HEADERS.headerLength]: String(jsonLength),
          ...identity,
        };
  return { status: 200, headers: described, body: bytes };
}

/** The same names in HTTP headers, gRPC metadata and gRPC response parameters. */
export function identityHeaders({ epoch, arm, id }: Identity): Readonly<Record<string, string>> {
  return {
    [INFERENCE_HEADERS.epoch]: String(epoch),
    [INFERENCE_HEADERS.arm]: arm,
    [INFERENCE_HEADERS.inferenceId]: id,
  };
}

function readHeaderLength(value: string | string[] | undefined): number | null {
  if (value === undefined) return null;
  if (typeof value === "string" && /^\d{1,15}$/.test(value)) return Number(value);
  throw invalid("infer request", `Inference-Header-Content-Length is ${String(value)}, allowed: a number of bytes`);
}

function readTimeoutHeader(value: string | null): number | null {
  if (value === null) return null;
  if (/^[1-9]\d{0,8}$/.test(value)) return Number(value);
  throw invalid("infer request", `${INFERENCE_HEADERS.timeoutMs} is ${value}, allowed: a number of milliseconds`);
}

const firstValue = (value: string | string[] | undefined): string | null =>
  (Array.isArray(value) ? value[0] : value) || null;
