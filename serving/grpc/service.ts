import { Metadata, type handleUnaryCall, type ServerUnaryCall, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { isFailure } from "../../contracts/failures.ts";
import { INFERENCE_HEADERS } from "../../contracts/inference.ts";
import { findApplied, isModelReady, listVersions, readMetadata, readStatistics } from "../endpoints.ts";
import { admitOperator, type HandlerParts } from "../handlers.ts";
import { identityHeaders } from "../http-inference.ts";
import { infer } from "../infer.ts";
import { SERVER_METADATA } from "../protocol/metadata.ts";
import type { ModelInferRequest, ModelInferResponse, ModelRequest, RepositoryModelRequest } from "./messages.ts";
import { readInferRequest } from "./read-request.ts";
import { describeFailure } from "./status.ts";
import { writeInferMessage } from "./write-response.ts";

export type GrpcParts = Pick<
  HandlerParts,
  | "routes"
  | "clock"
  | "log"
  | "keepFields"
  | "tracer"
  | "metrics"
  | "statistics"
  | "mirror"
  | "watch"
  | "isReady"
  | "admit"
  | "repository"
>;

/** Every call of `inference.GRPCInferenceService`: what HTTP asks, over the same routes, log and counters. */
export function createGrpcService(parts: GrpcParts, onBug: (thrown: unknown) => void): UntypedServiceImplementation {
  const { routes, statistics, isReady } = parts;
  const answer = <Request>(read: (request: Request) => object) =>
    unary<Request>(onBug, ({ request }) => ({ message: read(request) }));
  const metadata = ({ name, version }: ModelRequest) => {
    const { versions, platform, inputs, outputs } = readMetadata(findApplied(routes, name), version || null);
    return { name, versions, platform, inputs, outputs };
  };
  const counts = ({ name, version }: ModelRequest) => {
    const names = name ? [name] : routes.endpoints();
    return {
      model_stats: names.flatMap((each) => readStatistics(statistics, findApplied(routes, each), version || null)),
    };
  };
  return {
    ServerLive: answer(() => ({ live: true })),
    ServerReady: answer(() => ({ ready: isReady() })),
    ServerMetadata: answer(() => SERVER_METADATA),
    ModelReady: answer((request: ModelRequest) => ({ ready: isAnyReady(parts, request) })),
    ModelMetadata: answer(metadata),
    ModelStatistics: answer(counts),
    RepositoryIndex: answer(({ ready }: { readonly ready: boolean }) => ({
      models: listVersions(routes, { readyOnly: ready }),
    })),
    RepositoryModelLoad: unary<RepositoryModelRequest>(onBug, async (call) => {
      const { model_name: model } = await admitted(parts, call);
      await parts.repository.load(model);
      return { message: {} };
    }),
    RepositoryModelUnload: unary<RepositoryModelRequest>(onBug, async (call) => {
      const { model_name: model, parameters } = await admitted(parts, call);
      await parts.repository.unload(model, parameters["version"]?.string_param ?? null);
      return { message: {} };
    }),
    ModelInfer: unary<ModelInferRequest>(onBug, (call) => inferModel(parts, call)),
  };
}

/** The request, of somebody who may load and unload. */
async function admitted(
  parts: GrpcParts,
  call: ServerUnaryCall<RepositoryModelRequest, object>,
): Promise<RepositoryModelRequest> {
  const [authorization] = call.metadata.get("authorization");
  const caller = {
    authorization: authorization?.toString(),
    address: addressOf(call),
    believedHereOnly: true,
  } as const;
  await admitOperator(parts, call.request.model_name, caller);
  return call.request;
}

interface Reply {
  readonly message?: object;
  readonly failure?: unknown;
  /** Sent before the message, or with the error. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Failures become the call's status; whatever else is thrown is a bug and told as one. */
function unary<Request>(
  onBug: (thrown: unknown) => void,
  handle: (call: ServerUnaryCall<Request, object>) => Reply | Promise<Reply>,
): handleUnaryCall<Request, object> {
  const respond = async (...[call, callback]: Parameters<handleUnaryCall<Request, object>>): Promise<void> => {
    let reply: Reply;
    try {
      reply = await handle(call);
    } catch (failure) {
      reply = { failure };
    }
    const { message, failure } = reply;
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(reply.metadata ?? {})) metadata.set(name, value);
    if (message) {
      call.sendMetadata(metadata);
      callback(null, message);
      return;
    }
    if (!isFailure(failure)) onBug(failure);
    callback({ ...describeFailure(failure), metadata });
  };
  return (call, callback) => void respond(call, callback);
}

/** A model nobody serves is not ready; HTTP says 404 there, and both make a client's `is_model_ready` false. */
function isAnyReady({ routes }: GrpcParts, { name, version }: ModelRequest): boolean {
  try {
    return isModelReady(findApplied(routes, name), version || null);
  } catch (thrown) {
    if (isFailure(thrown)) return false;
    throw thrown;
  }
}

async function inferModel(parts: GrpcParts, call: ServerUnaryCall<ModelInferRequest, object>): Promise<Reply> {
  const { request, metadata } = call;
  const [routingKey] = metadata.get(INFERENCE_HEADERS.routingKey);
  const [authorization] = metadata.get("authorization");
  const applied = findApplied(parts.routes, request.model_name);
  const { place } = applied.route;
  await parts.admit({ deed: "infer", authorization: authorization?.toString(), address: addressOf(call), place });
  const outcome = await infer<ModelInferResponse>(parts, {
    applied,
    version: request.model_version || null,
    routingKey: routingKey?.toString() || null,
    timeoutMs: restMs(call.getDeadline()),
    signal: leaving(call),
    traceHeader: (name) => metadata.get(name)[0]?.toString() ?? null,
    read: () => readInferRequest(request),
    write: (response, asked, identity) => writeInferMessage(response, asked, identityHeaders(identity)),
  });
  const told = identityHeaders(outcome.identity);
  if (outcome.kind === "failed") return { failure: outcome.failure, metadata: told };
  return { message: outcome.written, metadata: told };
}

/** Host of the peer: the port is another one with every connection. */
const addressOf = (call: { readonly getPeer: () => string }): string => call.getPeer().replace(/:\d+$/, "");

function restMs(deadline: Date | number): number | null {
  const at = Number(deadline);
  return Number.isFinite(at) ? at - Date.now() : null;
}

function leaving(call: ServerUnaryCall<ModelInferRequest, object>): AbortSignal {
  const controller = new AbortController();
  call.once("cancelled", () => controller.abort());
  return controller.signal;
}
