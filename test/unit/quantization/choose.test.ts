import { describe, expect, it } from "vitest";
import { chooseCandidate, type MeasuredCandidate } from "../../../core/quantization/choose.ts";

const candidate = (
  name: string,
  sizeBytes: number,
  p50: Readonly<Record<number, number>>,
  sameDecisionShare = 1,
): MeasuredCandidate => ({
  name,
  sizeBytes,
  latency: Object.entries(p50).map(([batch, p50Ms]) => ({
    batch: Number(batch),
    p50Ms,
    p95Ms: p50Ms * 2,
    repeatCount: 100,
  })),
  agreement: { rowCount: 1000, maximumDifference: 0.01, meanDifference: 0.001, signalToNoiseDb: 40, sameDecisionShare },
});
const fp32 = candidate("fp32", 1000, { 1: 1, 32: 4 });
const size = { objective: "size", maximumDisagreementShare: 0.01 } as const;
const latency = { objective: "latency", maximumDisagreementShare: 0.01 } as const;

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
