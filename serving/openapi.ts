import { describeBodies, INFERENCE_HEADERS, type BodyName } from "../contracts/inference.ts";
import type { Route } from "./http/router.ts";
import { SERVER_METADATA } from "./protocol/metadata.ts";

/** What the OpenAPI document says of a route; written beside the route, so that neither is without the other. */
export interface Operation {
  readonly summary: string;
  readonly request?: { readonly body: BodyName; readonly required: boolean; readonly binary?: true };
  /** A body of the contracts, or a media type. */
  readonly answer: BodyName | { readonly type: string };
  /** Also of status 503, with the same body: probes. */
  readonly mayBeUnready?: true;
}

export interface DescribedRoute<Handler> extends Route<Handler> {
  readonly operation: Operation;
}

/** The OpenAPI 3.1 document of these routes. */
export function describeApi(routes: readonly DescribedRoute<unknown>[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = (paths[route.path] ??= {});
    path[route.method.toLowerCase()] = describeOperation(route);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Modelwright inference gateway",
      version: SERVER_METADATA.version,
      description: "Open Inference Protocol v2 with the binary tensor, statistics and repository index extensions.",
    },
    paths,
    components: { schemas: describeBodies() },
  };
}

function describeOperation({ path, operation }: DescribedRoute<unknown>): object {
  const { summary, request, answer, mayBeUnready } = operation;
  const names = [...path.matchAll(/\{(\w+)\}/g)].flatMap(([, name]) => name ?? []);
  const parameters = [
    ...names.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } })),
    ...(request?.binary ? INFER_HEADERS : []),
  ];
  const answered = typeof answer === "string" ? json(answer) : { [answer.type]: {} };
  const binary = request?.binary ? OCTETS : {};
  return {
    summary,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(request ? { requestBody: { required: request.required, content: { ...json(request.body), ...binary } } } : {}),
    responses: {
      200: { description: "Done", content: { ...answered, ...binary } },
      ...(mayBeUnready ? { 503: { description: "Not now", content: answered } } : {}),
      default: { description: "Why not", content: json("Error") },
    },
  };
}

const json = (body: BodyName) => ({ "application/json": { schema: { $ref: `#/components/schemas/${body}` } } });
/** The binary extension: JSON, then the bytes of the tensors. */
const OCTETS = { "application/octet-stream": {} };
const INFER_HEADERS = [
  { name: INFERENCE_HEADERS.headerLength, in: "header", schema: { type: "integer", minimum: 0 } },
  { name: INFERENCE_HEADERS.routingKey, in: "header", schema: { type: "string" } },
  { name: INFERENCE_HEADERS.timeoutMs, in: "header", schema: { type: "integer", minimum: 1 } },
];
