import { describe, expect, it } from "vitest";
import { optimizationSettingsSchema, type OptimizationSettings } from "../../../contracts/optimization.ts";
import { chooseCandidate } from "../../../core/quantization/choose.ts";
import type { Measured } from "../../../core/quantization/constraints.ts";

const candidate = (
  name: string,
  sizeBytes: number,
  p50: Readonly<Record<number, number>>,
  sameDecisionShare = 1,
): Measured => ({
  name,
  fallbacks: [],
  tolerances: [],
  gates: [],
  memoryBytes: null,
  sizeBytes,
  latency: Object.entries(p50).map(([batch, p50Ms]) => ({
    batch: Number(batch),
    threads: 1,
    p50Ms,
    p95Ms: p50Ms * 2,
    repeatCount: 100,
  })),
  agreement: { rowCount: 1000, maximumDifference: 0.01, meanDifference: 0.001, signalToNoiseDb: 40, sameDecisionShare },
});
const fp32 = candidate("fp32", 1000, { 1: 1, 32: 4 });
const settings = (given: object): OptimizationSettings => optimizationSettingsSchema.parse(given);
const size = settings({ objective: "size" });
const latency = settings({ objective: "latency" });

describe("chooseCandidate", () => {
  it("takes the smallest candidate that agrees when size is the objective, and says why", () => {
    const choice = chooseCandidate([fp32, candidate("a", 400, { 1: 9 }), candidate("b", 300, { 1: 9 }, 0.998)], size);
    expect(choice.chosen).toBe("b");
    expect(choice.reason).toBe("b is 70 % smaller than fp32, and 0.2 % of its decisions differ (allowed 1 %)");
    expect(choice.refused.size).toBe(0);
  });

  it("takes the fastest over all batch sizes when latency is the objective", () => {
    const choice = chooseCandidate(
      [fp32, candidate("a", 400, { 1: 0.5, 32: 4 }), candidate("b", 900, { 1: 0.9, 32: 1 })],
      latency,
    );
    expect(choice.chosen).toBe("b");
    expect(choice.reason).toMatch(/^b is 52\.6 % faster at p50 than fp32/);
  });

  it("keeps fp32 when a candidate is slower at batch 1 by as much as it is faster at batch 32", () => {
    const choice = chooseCandidate([fp32, candidate("a", 300, { 1: 1.5, 32: 4 / 1.5 })], latency);
    expect(choice.chosen).toBe("fp32");
    expect(choice.reason).toContain("fp32 stays, no other candidate may replace it for latency (a: it is");
  });

  it("never takes one for latency that is slower at any batch size, however much faster elsewhere", () => {
    const choice = chooseCandidate([fp32, candidate("a", 300, { 1: 0.1, 32: 4.1 })], latency);
    expect(choice.chosen).toBe("fp32");
    expect(choice.refused.get("a")).toBe("it is 2.5 % slower than fp32 at p50 and batch 32");
    expect(chooseCandidate([fp32, candidate("a", 300, { 1: 0.1, 32: 4.1 })], size).chosen).toBe("a");
    expect(chooseCandidate([fp32, candidate("a", 300, { 1: 0.1, 32: 4 })], latency).chosen).toBe("a");
  });

  it("keeps fp32 for a gain within noise, and takes one just outside", () => {
    const near = chooseCandidate([fp32, candidate("a", 300, { 1: 0.96, 32: 3.84 })], latency);
    expect(near.chosen).toBe("fp32");
    expect(near.refused.get("a")).toBe("it is only 4 % faster than fp32 at p50, 5 % faster is asked for");
    expect(chooseCandidate([fp32, candidate("a", 300, { 1: 0.94, 32: 3.76 })], latency).chosen).toBe("a");
  });

  it("refuses too many different decisions and allows exactly as many as the limit", () => {
    const over = chooseCandidate([fp32, candidate("a", 300, { 1: 0.1 }, 0.989)], size);
    expect(over.chosen).toBe("fp32");
    expect(over.refused.get("a")).toBe("1.1 % of 1000 decisions differ, allowed 1 %");
    expect(chooseCandidate([fp32, candidate("a", 300, { 1: 0.1 }, 0.99)], size).chosen).toBe("a");
    const unknown = chooseCandidate([fp32, candidate("a", 300, { 1: 0.1 }, NaN)], size);
    expect(unknown.chosen).toBe("fp32");
  });

  it("refuses a candidate that is not smaller, or has no latency to compare", () => {
    expect(chooseCandidate([fp32, candidate("a", 1000, {})], size).refused.get("a")).toBe(
      "it is not smaller than fp32",
    );
    const unmeasured = chooseCandidate([fp32, candidate("a", 10, { 8: 0.1 })], latency);
    expect(unmeasured.refused.get("a")).toBe("no batch size was measured for both it and fp32");
  });

  it("breaks ties by size and then by name, whatever the order", () => {
    const tied = [candidate("b", 400, { 1: 0.5 }), candidate("a", 400, { 1: 0.5 }), candidate("c", 500, { 1: 0.5 })];
    expect(chooseCandidate([...tied, fp32], latency).chosen).toBe("a");
    expect(chooseCandidate([fp32, ...tied.toReversed()], latency).chosen).toBe("a");
  });

  it("keeps fp32 when it is alone and takes a missing fp32 for a bug", () => {
    expect(chooseCandidate([fp32], size)).toMatchObject({
      chosen: "fp32",
      reason: "fp32 stays, it is the only candidate",
    });
    expect(() => chooseCandidate([candidate("a", 1, {})], size)).toThrow("no fp32 among a");
  });
});

describe("constraints", () => {
  const bound = (constraints: object, objective = "latency") => settings({ objective, constraints });
  const a = candidate("a", 300, { 1: 0.9, 32: 3.9 });
  const b = candidate("b", 200, { 1: 2, 32: 3 });

  it("that fp32 breaks are met by a candidate that keeps them, even one that is no faster", () => {
    const choice = chooseCandidate([fp32, a, b], bound({ maximumBytes: 250 }));
    expect(choice).toMatchObject({ outcome: "met", chosen: "b" });
    expect(choice.unmet.get("fp32")).toEqual(["the file: 1000 bytes, allowed 250"]);
    expect(choice.unmet.get("a")).toEqual(["the file: 300 bytes, allowed 250"]);
  });

  it("that nothing keeps lead to the nearest, told as best effort", () => {
    const choice = chooseCandidate([fp32, a, b], bound({ maximumBytes: 100 }));
    expect(choice).toMatchObject({ outcome: "best-effort", chosen: "b" });
    expect(choice.reason).toContain(
      "no candidate keeps every constraint, it is the nearest (the file: 200 bytes, allowed 100)",
    );
  });

  it("on p95 are judged at the batch size they name, and one not measured there is beyond any bound", () => {
    const p95 = (batch: number, ms: number) => bound({ maximumP95Ms: [{ batch, ms }] });
    expect(chooseCandidate([fp32, a, b], p95(32, 6.5))).toMatchObject({ outcome: "met", chosen: "b" });
    expect(chooseCandidate([fp32, a, b], p95(1, 1.9))).toMatchObject({ outcome: "met", chosen: "a" });
    expect(chooseCandidate([fp32, a, b], p95(8, 1)).unmet.get("a")).toEqual([
      "p95 at batch 8: not measured, allowed 1",
    ]);
  });

  it("on memory count what was not measured as too much", () => {
    const small = { ...a, memoryBytes: 50 };
    const choice = chooseCandidate([{ ...fp32, memoryBytes: 500 }, small, b], bound({ maximumMemoryBytes: 100 }));
    expect(choice).toMatchObject({ outcome: "met", chosen: "a" });
    expect(choice.unmet.get("b")).toEqual(["its memory: not measured, allowed 100"]);
  });

  it("never make up for a tolerance: a candidate outside one is out, whatever fp32 breaks", () => {
    const observed = { kind: "undefined", reason: "", sampleCount: 0 } as const;
    const gate = { metric: "log-loss", rows: "overall", notWorseThanChampionBy: 0.1 } as const;
    const reason = "log-loss neither keeps nor breaks, for want of rows, the gate: not worse than the champion by 0.1";
    const worse = {
      ...b,
      tolerances: [{ gate, verdict: "inconclusive", reason, slice: "overall", observed } as const],
    };
    const choice = chooseCandidate([fp32, worse], bound({ maximumBytes: 250 }));
    expect(choice).toMatchObject({ outcome: "best-effort", chosen: "fp32" });
    expect(choice.refused.get("b")).toBe(reason.replace("the champion", "fp32"));
  });

  it("none asked and nothing better is the outcome none; fp32 that keeps those asked is met", () => {
    expect(chooseCandidate([fp32, b], latency)).toMatchObject({ outcome: "none", chosen: "fp32" });
    expect(chooseCandidate([fp32, b], bound({ maximumBytes: 2000 }))).toMatchObject({ outcome: "met", chosen: "fp32" });
  });
});

describe("cost", () => {
  const cost = settings({ objective: "cost", pricePerCoreHour: 3.6 });

  it("keeps fp32 and batches where that is cheapest, and says what it saves", () => {
    const choice = chooseCandidate([fp32, candidate("a", 300, { 1: 1.2, 32: 4 })], cost);
    expect(choice).toMatchObject({
      outcome: "met",
      chosen: "fp32",
      serving: { batch: 32, threads: 1, p50Ms: 4, maximumBatchRows: 32, waitMs: 4 },
    });
    // 1000 / 32 runs of 4 ms on one core at 3.6 an hour: 0.001 a second.
    expect(choice.serving.costPerThousand).toBeCloseTo((1000 / 32) * 0.004 * 0.001, 9);
    expect(choice.reason).toContain("in batches of 32 on 1 threads it costs 87.5 % less than in batches of 1");
  });

  it("counts every core: twice as fast on four costs twice as much", () => {
    const quad = { batch: 1, threads: 4, p50Ms: 0.5, p95Ms: 0.6, repeatCount: 100 };
    const one = { ...candidate("fp32", 1000, { 1: 1 }), latency: [...candidate("fp32", 1000, { 1: 1 }).latency, quad] };
    expect(chooseCandidate([one], cost).serving).toMatchObject({ threads: 1, p50Ms: 1 });
    expect(chooseCandidate([one], latency).serving).toMatchObject({ threads: 4, p50Ms: 0.5 });
  });

  it("tells how long a request may wait for company: within the bound on p95; never where batches were not chosen", () => {
    // p95 is twice p50: 8 ms of 9 are used.
    const bounded = { ...cost, constraints: { ...cost.constraints, maximumP95Ms: [{ batch: 32, ms: 9 }] } };
    expect(chooseCandidate([fp32], bounded).serving).toMatchObject({ batch: 32, maximumBatchRows: 32, waitMs: 1 });
    expect(chooseCandidate([fp32], latency).serving).toMatchObject({ batch: 1, maximumBatchRows: 32, waitMs: 0 });
    const strict = { ...latency, constraints: { ...latency.constraints, maximumP95Ms: [{ batch: 32, ms: 7 }] } };
    expect(chooseCandidate([fp32], strict).serving).toMatchObject({ batch: 1, maximumBatchRows: 1, waitMs: 0 });
  });

  it("takes a candidate that is cheaper in its own best way of serving", () => {
    const choice = chooseCandidate([fp32, candidate("a", 300, { 1: 3, 32: 2 })], cost);
    expect(choice).toMatchObject({ outcome: "met", chosen: "a", serving: { batch: 32 } });
    expect(choice.reason).toBe(
      "a is 50 % cheaper a prediction than fp32, and 0 % of its decisions differ (allowed 1 %)",
    );
  });
});
