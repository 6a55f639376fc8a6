import { feedbackRequestSchema, INFERENCE_HEADERS, type FeedbackRequest } from "../contracts/inference.ts";
import { Failure } from "../contracts/failures.ts";
import { featureColumns } from "../core/data/feature-columns.ts";
import { chooseVersion } from "./choose-arm.ts";
import { answerJson, type Answer } from "./http/answer.ts";
import type { Route } from "./http/router.ts";
import type { Handler, HttpRequest } from "./http/server.ts";
import { infer, type InferenceParts } from "./infer.ts";
import { createGauges } from "./gauges.ts";
import type { GatewayMetrics } from "./metrics.ts";
import type { PredictionLog } from "./prediction-log.ts";
import { invalid } from "./protocol/json-data.ts";
import { describeModel, SERVER_METADATA } from "./protocol/metadata.ts";
import type { AppliedRoute, ServingRoutes } from "./routing-table.ts";

/** What became of labels; every label is counted once. */
export type FeedbackOutcome = Readonly<Record<string, number>>;

export interface HandlerParts extends InferenceParts {
  readonly routes: ServingRoutes;
  readonly log: PredictionLog;
  readonly metrics: GatewayMetrics;
  readonly recordFeedback: (labels: FeedbackRequest["feedback"]) => Promise<FeedbackOutcome>;
  readonly isDraining: () => boolean;
}

/** Every path of the gateway. */
export function createHandlers(parts: HandlerParts): readonly Route<Handler>[] {
  const applied = (request: HttpRequest) => findApplied(parts.routes, request.parameters["model"] ?? "");
  const isReady = () => parts.routes.ready() && !parts.isDraining();
  const get = (path: string, handler: Handler) => ({ method: "GET" as const, path, handler });
  const post = (path: string, handler: Handler) => ({ method: "POST" as const, path, handler });
  const metadata: Handler = (request) => answerJson(200, readMetadata(applied(request), request.parameters["version"]));
  const readiness: Handler = (request) => modelReady(applied(request), request.parameters["version"]);
  const inference: Handler = (request) =>
    infer(parts, {
      applied: applied(request),
      version: request.parameters["version"] ?? null,
      body: request.body,
      headerLength: readHeaderLength(request.headers[INFERENCE_HEADERS.headerLength]),
      routingKey: firstValue(request.headers[INFERENCE_HEADERS.routingKey]),
    });
  return [
    get("/v2", () => answerJson(200, SERVER_METADATA)),
    get("/v2/health/live", () => answerJson(200, { live: true })),
    get("/v2/health/ready", () => answerJson(isReady() ? 200 : 503, { ready: isReady(), live: true })),
    get("/v2/models/{model}", metadata),
    get("/v2/models/{model}/versions/{version}", metadata),
    get("/v2/models/{model}/ready", readiness),
    get("/v2/models/{model}/versions/{version}/ready", readiness),
    post("/v2/models/{model}/infer", inference),
    post("/v2/models/{model}/versions/{version}/infer", inference),
    post("/v2/feedback", async ({ body }) => answerJson(200, await parts.recordFeedback(readFeedback(body)))),
    get("/metrics", () => answerMetrics(parts)),
  ];
}

function findApplied(routes: ServingRoutes, endpoint: string): AppliedRoute {
  const applied = routes.route(endpoint);
  if (applied) return applied;
  if (routes.isKnown(endpoint))
    throw new Failure("ENDPOINT_NOT_READY", { endpoint, reason: "its model is being started" });
  throw new Failure("ENDPOINT_UNKNOWN", { endpoint, found: routes.endpoints().join(", ") });
}

function readMetadata(applied: AppliedRoute, version: string | undefined): object {
  const served = [applied.champion, applied.canary].filter((live) => live !== null);
  const [first] = served;
  const shown = version === undefined ? first : chooseVersion(applied, version).live;
  if (!shown) throw new Failure("ENDPOINT_NOT_READY", { endpoint: applied.route.endpoint, reason: "no version is up" });
  const columns = featureColumns(shown.version.signature);
  return describeModel(
    applied.route.endpoint,
    shown.version,
    served.map((live) => live.version),
    columns,
  );
}

function modelReady(applied: AppliedRoute, version: string | undefined): Answer {
  const live = version === undefined ? (applied.champion ?? applied.canary) : chooseVersion(applied, version).live;
  const ready = live?.process.pid() !== undefined;
  return answerJson(ready ? 200 : 503, { name: applied.route.endpoint, ready });
}

function readHeaderLength(value: string | string[] | undefined): number | null {
  if (value === undefined) return null;
  if (typeof value === "string" && /^\d{1,15}$/.test(value)) return Number(value);
  throw invalid("infer request", `Inference-Header-Content-Length is ${String(value)}, allowed: a number of bytes`);
}

const firstValue = (value: string | string[] | undefined): string | null =>
  (Array.isArray(value) ? value[0] : value) || null;

function readFeedback(body: Buffer): FeedbackRequest["feedback"] {
  let found: unknown;
  try {
    found = JSON.parse(body.toString("utf8"));
  } catch (cause) {
    throw invalid("feedback", `the body is not JSON (${cause instanceof Error ? cause.message : ""})`, cause);
  }
  const parsed = feedbackRequestSchema.safeParse(found);
  if (parsed.success) return parsed.data.feedback;
  const problems = parsed.error.issues
    .slice(0, 20)
    .map(({ path, message }) => `${path.join(".") || "the body"}: ${message}`);
  throw invalid("feedback", problems.join("; "), parsed.error);
}

function answerMetrics(parts: HandlerParts): Answer {
  const text = parts.metrics.write(createGauges(parts.routes, parts.log));
  return { status: 200, headers: { "content-type": "text/plain; version=0.0.4" }, body: Buffer.from(text, "utf8") };
}
