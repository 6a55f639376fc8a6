import type { OtlpOptions } from "./otlp-exporter.ts";

/**
 * Where traces go, by OpenTelemetry's own variables: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS (`a=1,b=2`, percent-encoded)
 * and OTEL_SERVICE_NAME. Null without an endpoint: nothing is traced then.
 */
export function readTraceEnvironment(env: NodeJS.ProcessEnv): Omit<OtlpOptions, "onProblem"> | null {
  const endpoint = env["OTEL_EXPORTER_OTLP_ENDPOINT"];
  if (!endpoint) return null;
  const pairs = (env["OTEL_EXPORTER_OTLP_HEADERS"] ?? "").split(",").flatMap((pair) => {
    const [, name, value] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(pair) ?? [];
    return name === undefined || value === undefined ? [] : [[name, decodeURIComponent(value)] as const];
  });
  return {
    endpoint,
    headers: Object.fromEntries(pairs),
    serviceName: env["OTEL_SERVICE_NAME"] ?? "modelwright-gateway",
  };
}
