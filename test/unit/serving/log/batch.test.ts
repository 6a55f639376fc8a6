import { expect, test } from "vitest";
import { LATENCY_BOUNDS_MS, type RequestRecord } from "../../../../contracts/inference.ts";
import { addCounts, tallyRequests } from "../../../../serving/log/batch.ts";

const request = (fields: Partial<RequestRecord> = {}): RequestRecord => ({
  id: "a",
  endpoint: "delay",
  epoch: 2,
  assigned: true,
  arm: "canary",
  versionId: "v",
  routingKeyHash: null,
  atMs: 60_500,
  latencyMs: 0.6,
  outcome: "ok",
  rowCount: 1,
  scores: [0.5],
  decisions: [1],
  judged: { slow: false, range: 1, ranges: 2 },
  fields: null,
  sampled: true,
  ...fields,
});

test("requests that are alike are one count a minute", () => {
  const { counts } = tallyRequests([
    request({ judged: { slow: true, range: 0, ranges: 2 } }),
    request({ outcome: "shed", scores: [], latencyMs: 20_000, judged: { slow: true, range: null, ranges: 2 } }),
    request({ outcome: "error", scores: [] }),
    request({ atMs: 120_000 }),
    request({ arm: "champion" }),
  ]);
  expect(counts.map(({ minuteMs, arm, requests }) => [minuteMs, arm, requests])).toEqual([
    [60_000, "canary", 3],
    [120_000, "canary", 1],
    [60_000, "champion", 1],
  ]);
  expect(counts[0]).toMatchObject({ errors: 2, sheds: 1, slow: 2, ranges: [1, 1], byUnit: false });
  expect(counts[0]?.latencies).toHaveLength(LATENCY_BOUNDS_MS.length + 1);
  expect([counts[0]?.latencies[1], counts[0]?.latencies.at(-1)]).toEqual([2, 1]);
});

test("of a routing key the first request is kept, and its requests are counted apart", () => {
  const key = { routingKeyHash: "ada" };
  const { counts, units } = tallyRequests([
    request({ ...key, id: "second", atMs: 60_900 }),
    request({ ...key, id: "first", atMs: 60_100, rowCount: 2, scores: [0.1, 0.9], decisions: [0, 1] }),
    request({ ...key, id: "elsewhere", epoch: 3 }),
    request({ ...key, id: "not assigned", assigned: false }),
    request({ ...key, id: "no rollout", judged: null }),
  ]);
  expect(units.map(({ inferenceId, epoch, unit, decision }) => [inferenceId, epoch, unit, decision])).toEqual([
    ["first/0", 2, "ada", 0],
    ["elsewhere", 3, "ada", 1],
  ]);
  expect(counts.map(({ byUnit, requests }) => [byUnit, requests])).toEqual([
    [true, 2],
    [true, 1],
    [false, 1],
    [false, 1],
  ]);
});

test("counts of the same kind add up, also with ranges that were not known before", () => {
  const [one] = tallyRequests([request({ judged: { slow: false, range: null, ranges: 0 } })]).counts;
  const [other] = tallyRequests([request()]).counts;
  expect(addCounts([one!, other!])).toMatchObject([{ requests: 2, ranges: [0, 1] }]);
});
