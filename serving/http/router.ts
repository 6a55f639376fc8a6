import { refuse } from "./answer.ts";

type Method = "GET" | "POST";

/** A path of literal segments and `{names}`. */
export interface Route<Handler> {
  readonly method: Method;
  readonly path: string;
  readonly handler: Handler;
}

export interface Match<Handler> {
  readonly handler: Handler;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Finds the route of a request. */
export type Router<Handler> = (method: string, url: string) => Match<Handler>;

/**
 * A slash at the end makes no difference: the protocol's text and its YAML disagree there.
 *
 * The router throws REQUEST_REFUSED: 404 for an unknown path, 405 for a known one with another method, 400 for a path that cannot be decoded.
 */
export function createRouter<Handler>(routes: readonly Route<Handler>[]): Router<Handler> {
  // By length, and split once: every request looks here.
  const byLength = new Map<number, { readonly route: Route<Handler>; readonly pattern: readonly string[] }[]>();
  for (const route of routes) {
    const pattern = route.path.split("/").slice(1);
    byLength.set(pattern.length, [...(byLength.get(pattern.length) ?? []), { route, pattern }]);
  }
  return (method, url) => {
    const path = url.split("?", 1)[0] ?? "";
    const segments = path.replace(/\/$/, "").split("/").slice(1).map(decode);
    const allowed: string[] = [];
    for (const { route, pattern } of byLength.get(segments.length) ?? []) {
      const parameters = matchSegments(pattern, segments);
      if (!parameters) continue;
      if (route.method === method) return { handler: route.handler, parameters };
      allowed.push(route.method);
    }
    if (allowed.length > 0) throw refuse(405, `${method} ${path}`, `${allowed.join(", ")} ${path}`);
    throw refuse(404, `no such path: ${path}`, "the paths of /v2/openapi.json");
  };
}

function matchSegments(pattern: readonly string[], segments: readonly string[]): Record<string, string> | null {
  const parameters: Record<string, string> = {};
  for (const [index, part] of pattern.entries()) {
    const segment = segments[index] ?? "";
    if (part.startsWith("{")) parameters[part.slice(1, -1)] = segment;
    else if (part !== segment) return null;
  }
  return parameters;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw refuse(400, `the path segment ${segment} cannot be decoded`, "percent-encoded UTF-8");
  }
}
