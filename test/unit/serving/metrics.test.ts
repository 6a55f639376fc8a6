import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createMetrics } from "../../../serving/metrics.ts";
import { parseExposition } from "./exposition.ts";

const label = fc.oneof(fc.string(), fc.constantFrom('a"b', "a\\b", "a\nb", "\\n", "{},=", "東京"));

test("whatever endpoints and versions are called, Prometheus reads back what was counted", () => {
  const property = fc.property(label, fc.array(fc.double({ min: 0, max: 1e5, noNaN: true })), (name, latencies) => {
    const metrics = createMetrics();
    for (const latencyMs of latencies)
      metrics.countRequest({ endpoint: name, arm: "canary", outcome: "ok" }, latencyMs);
    metrics.countExit(name);
    metrics.countBatch(name, latencies.length);
    const gauge = {
      name: "modelwright_up",
      help: "Up.",
      type: "gauge",
      values: [{ labels: {}, value: 1.5e-9 }],
    } as const;
    const families = parseExposition(metrics.write([gauge]));
    const valueOf = (family: string, sample: string, labels: Readonly<Record<string, string>>) =>
      families
        .get(family)
        ?.samples.find((one) => one.name === sample && JSON.stringify(one.labels) === JSON.stringify(labels))?.value;
    expect(valueOf("modelwright_process_exits_total", "modelwright_process_exits_total", { version: name })).toBe(1);
    expect(valueOf("modelwright_up", "modelwright_up", {})).toBe(1.5e-9);
    if (latencies.length === 0) return;
    const counted = { endpoint: name, arm: "canary" };
    expect(valueOf("modelwright_request_seconds", "modelwright_request_seconds_count", counted)).toBe(latencies.length);
    expect(valueOf("modelwright_requests_total", "modelwright_requests_total", { ...counted, outcome: "ok" })).toBe(
      latencies.length,
    );
  });
  fc.assert(property);
});

test.each([
  ["a sample before its type", "a 1\n# TYPE a gauge\n"],
  ["a type twice", "# TYPE a gauge\na 1\n# TYPE a gauge\n"],
  ["a series twice", "# TYPE a gauge\na 1\na 2\n"],
  ["a family in two places", '# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\na{x="1"} 1\n'],
  ["a label that is not closed", '# TYPE a gauge\na{b="c} 1\n'],
  ["a value that is no number", "# TYPE a gauge\na one\n"],
  ["no end of the last line", "# TYPE a gauge\na 1"],
  ["a histogram that falls", '# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n'],
  ["a histogram without its whole", '# TYPE h histogram\nh_bucket{le="1"} 2\nh_sum 1\nh_count 2\n'],
])("the reader of these tests refuses %s", (_, text) => {
  expect(() => parseExposition(text)).toThrow("metrics:");
});
