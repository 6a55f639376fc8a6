import {
  feedbackRequestSchema,
  repositoryIndexRequestSchema,
  repositoryModelRequestSchema,
  type FeedbackRequest,
} from "../contracts/inference.ts";
import { findApplied, isModelReady, listVersions, readMetadata, readStatistics } from "./endpoints.ts";
import { createGauges } from "./gauges.ts";
import type { Caller, Gatekeeper } from "./gatekeeper.ts";
import { answerInference } from "./http-inference.ts";
import { answerJson, type Answer } from "./http/answer.ts";
import type { Handler, HttpRequest } from "./http/server.ts";
import type { InferenceParts } from "./infer.ts";
import type { GatewayMetrics } from "./metrics.ts";
import { describeApi, type DescribedRoute, type Operation } from "./openapi.ts";
import type { PredictionLog } from "./log/prediction-log.ts";
import { invalid } from "./protocol/json-data.ts";
import { SERVER_METADATA } from "./protocol/metadata.ts";
import type { Repository } from "./repository.ts";
import type { ServingRoutes } from "./routing-table.ts";
import type { InferenceStatistics } from "./statistics.ts";

/** What became of labels; every label is counted once. */
export type FeedbackOutcome = Readonly<Record<string, number>>;

export interface HandlerParts extends InferenceParts {
  readonly routes: ServingRoutes;
  readonly log: PredictionLog;
  readonly metrics: GatewayMetrics;
  readonly statistics: InferenceStatistics;
  readonly recordFeedback: (labels: FeedbackRequest["feedback"]) => Promise<FeedbackOutcome>;
  readonly admit: Gatekeeper;
  readonly repository: Repository;
  readonly isReady: () => boolean;
  /** Alarms nobody has acknowledged, by kind. */
  readonly openAlarms: () => ReadonlyMap<string, number>;
}

type Routes = readonly DescribedRoute<Handler>[];

const get = (path: string, operation: Operation, handler: Handler) =>
  ({ method: "GET", path, operation, handler }) as const;
const post = (path: string, operation: Operation, handler: Handler) =>
  ({ method: "POST", path, operation, handler }) as const;

/** Every path of the gateway, and the document that describes them. */
export function createHandlers(parts: HandlerParts): Routes {
  const routes: Routes = [
    ...serverRoutes(parts),
    // An endpoint, or one of its versions: asked the same way.
    ...["/v2/models/{model}", "/v2/models/{model}/versions/{version}"].flatMap((path) => modelRoutes(parts, path)),
    get("/v2/openapi.json", { summary: "This document", answer: { type: "application/json" } }, () =>
      answerJson(200, document),
    ),
  ];
  const document = describeApi(routes);
  return routes;
}

function serverRoutes(parts: HandlerParts): Routes {
  const { routes, isReady } = parts;
  return [
    get("/v2", { summary: "What this server is", answer: "ServerMetadata" }, () => answerJson(200, SERVER_METADATA)),
    get("/v2/health/live", { summary: "Whether it lives", answer: "ServerLive" }, () =>
      answerJson(200, { live: true }),
    ),
    get(
      "/v2/health/ready",
      { summary: "Whether it takes requests", answer: "ServerReady", mayBeUnready: true },
      (): Answer => answerJson(isReady() ? 200 : 503, { ready: isReady(), live: true }),
    ),
    post(
      "/v2/repository/index",
      {
        summary: "Versions that are served, or should be",
        request: { body: "RepositoryIndexRequest", required: false },
        answer: "RepositoryIndex",
      },
      ({ body }) => {
        const { ready } = body.length === 0 ? {} : parseBody("repository index", repositoryIndexRequestSchema, body);
        return answerJson(200, listVersions(routes, { readyOnly: ready ?? false }));
      },
    ),
    post(
      "/v2/repository/models/{model}/load",
      {
        summary: "Start what the endpoint's route names and is not up",
        request: { body: "RepositoryModelRequest", required: false },
        answer: "RepositoryModelAnswer",
      },
      async ({ parameters, headers, address }) => {
        const model = parameters["model"] ?? "";
        await admitOperator(parts, model, { authorization: headers.authorization, address, believedHereOnly: true });
        await parts.repository.load(model);
        return answerJson(200, {});
      },
    ),
    post(
      "/v2/repository/models/{model}/unload",
      {
        summary: "End processes of versions that no route names",
        request: { body: "RepositoryModelRequest", required: false },
        answer: "RepositoryModelAnswer",
      },
      async ({ parameters, headers, address, body }) => {
        const model = parameters["model"] ?? "";
        await admitOperator(parts, model, { authorization: headers.authorization, address, believedHereOnly: true });
        const asked = body.length === 0 ? {} : parseBody("unload", repositoryModelRequestSchema, body);
        await parts.repository.unload(model, asked.parameters?.version ?? null);
        return answerJson(200, {});
      },
    ),
    post(
      "/v2/repository/models/{model}/withdraw",
      { summary: "Take its canary back at this gateway, until the endpoint's next epoch", answer: "Withdrawn" },
      async ({ parameters, headers, address }) => {
        const model = parameters["model"] ?? "";
        await admitOperator(parts, model, { authorization: headers.authorization, address });
        return answerJson(200, await parts.repository.withdraw(model));
      },
    ),
    post(
      "/v2/feedback",
      {
        summary: "Labels of earlier predictions",
        request: { body: "FeedbackRequest", required: true },
        answer: "FeedbackOutcome",
      },
      async ({ headers, body, address }) => {
        await parts.admit({ deed: "feedback", authorization: headers.authorization, address });
        const { feedback } = parseBody("feedback", feedbackRequestSchema, body);
        return answerJson(200, await parts.recordFeedback(feedback));
      },
    ),
    get("/metrics", { summary: "Counters for Prometheus", answer: { type: "text/plain" } }, () => answerMetrics(parts)),
  ];
}

/** A model nobody serves any more has no place; then only a token for every model will do. */
export async function admitOperator(
  { routes, admit }: Pick<HandlerParts, "routes" | "admit">,
  endpoint: string,
  caller: Pick<Caller, "authorization" | "address" | "believedHereOnly">,
): Promise<void> {
  await admit({ ...caller, deed: "deploy", place: routes.route(endpoint)?.route.place });
}

function modelRoutes(parts: HandlerParts, path: string): Routes {
  const applied = ({ parameters }: HttpRequest) => findApplied(parts.routes, parameters["model"] ?? "");
  const version = ({ parameters }: HttpRequest) => parameters["version"] ?? null;
  return [
    get(path, { summary: "Its tensors and columns", answer: "ModelMetadata" }, (request) =>
      answerJson(200, readMetadata(applied(request), version(request))),
    ),
    get(
      `${path}/ready`,
      { summary: "Whether its process is up", answer: "ModelReady", mayBeUnready: true },
      (request) => {
        const found = applied(request);
        const ready = isModelReady(found, version(request));
        return answerJson(ready ? 200 : 503, { name: found.route.endpoint, ready });
      },
    ),
    get(`${path}/stats`, { summary: "Counts since this gateway started", answer: "ModelStatistics" }, (request) =>
      answerJson(200, { model_stats: readStatistics(parts.statistics, applied(request), version(request)) }),
    ),
    post(
      `${path}/infer`,
      {
        summary: "Predictions of tensors or raw columns",
        request: { body: "InferRequest", required: true, binary: true },
        answer: "InferResponse",
      },
      async (request) => {
        const found = applied(request);
        const { headers, address } = request;
        await parts.admit({ deed: "infer", authorization: headers.authorization, address, place: found.route.place });
        return answerInference(parts, found, request);
      },
    ),
  ];
}

/** The parts of a zod schema that are used here: this folder takes its schemas from the contracts, and not zod. */
interface BodySchema<Body> {
  readonly safeParse: (found: unknown) =>
    | { readonly success: true; readonly data: Body }
    | {
        readonly success: false;
        readonly error: {
          readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
        };
      };
}

function parseBody<Body>(place: string, schema: BodySchema<Body>, body: Buffer): Body {
  let found: unknown;
  try {
    found = JSON.parse(body.toString("utf8"));
  } catch (cause) {
    throw invalid(place, `the body is not JSON (${cause instanceof Error ? cause.message : ""})`, cause);
  }
  const parsed = schema.safeParse(found);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues
    .slice(0, 20)
    .map(({ path, message }) => `${path.map(String).join(".") || "the body"}: ${message}`);
  throw invalid(place, problems.join("; "), parsed.error);
}

function answerMetrics(parts: HandlerParts): Answer {
  const text = parts.metrics.write(createGauges(parts.routes, parts.log, parts.openAlarms()));
  return { status: 200, headers: { "content-type": "text/plain; version=0.0.4" }, body: text };
}
