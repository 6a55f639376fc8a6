import { describe, expect, it } from "vitest";
import type { Estimate, Gate } from "../../../contracts/evaluation.ts";
import { judgeGate } from "../../../core/evaluation/judge-gate.ts";
import { judgeGates } from "../../../core/evaluation/judge-gates.ts";

const estimate = (low: number, high: number): Estimate => ({
  kind: "estimate",
  estimate: (low + high) / 2,
  interval: [low, high],
  confidence: 0.95,
  sampleCount: 1000,
  method: { interval: "given" },
});
const undefinedValue: Estimate = { kind: "undefined", reason: "rows of one class only", sampleCount: 12 };
const judge = (gate: Omit<Gate, "rows">, ...observed: Estimate[]) =>
  judgeGate(
    { ...gate, rows: observed.length > 1 ? "every-slice" : "overall" },
    observed.map((value, index) => ({ slice: observed.length > 1 ? `origin=${index}` : "overall", observed: value })),
  );

describe("judgeGate", () => {
  it("passes only when the whole interval keeps the bound and fails only when all of it breaks it", () => {
    expect(judge({ metric: "roc-auc", atLeast: 0.7 }, estimate(0.7, 0.8)).verdict).toBe("pass");
    expect(judge({ metric: "roc-auc", atLeast: 0.7 }, estimate(0.69, 0.9)).verdict).toBe("inconclusive");
    expect(judge({ metric: "roc-auc", atLeast: 0.7 }, estimate(0.5, 0.69)).verdict).toBe("fail");
    expect(judge({ metric: "log-loss", atMost: 0.5 }, estimate(0.4, 0.5)).verdict).toBe("pass");
    expect(judge({ metric: "log-loss", atMost: 0.5 }, estimate(0.4, 0.51)).verdict).toBe("inconclusive");
    expect(judge({ metric: "log-loss", atMost: 0.5 }, estimate(0.51, 0.6)).verdict).toBe("fail");
  });
  it("takes an interval that ends on the bound itself as keeping it", () => {
    expect(judge({ metric: "roc-auc", atLeast: 0.7 }, estimate(0.6, 0.7)).verdict).toBe("inconclusive");
    expect(judge({ metric: "log-loss", atMost: 0.5 }, estimate(0.5, 0.6)).verdict).toBe("inconclusive");
  });
  it("knows which way is worse than the champion", () => {
    expect(judge({ metric: "accuracy", notWorseThanChampionBy: 0.01 }, estimate(-0.009, 0.02)).verdict).toBe("pass");
    expect(judge({ metric: "accuracy", notWorseThanChampionBy: 0.01 }, estimate(-0.02, 0.02)).verdict).toBe(
      "inconclusive",
    );
    expect(judge({ metric: "accuracy", notWorseThanChampionBy: 0.01 }, estimate(-0.03, -0.02)).verdict).toBe("fail");
    expect(judge({ metric: "brier-score", notWorseThanChampionBy: 0.01 }, estimate(-0.03, 0.009)).verdict).toBe("pass");
    expect(judge({ metric: "brier-score", notWorseThanChampionBy: 0.01 }, estimate(0.02, 0.03)).verdict).toBe("fail");
    expect(judge({ metric: "brier-score", notWorseThanChampionBy: 0 }, estimate(-0.03, 0)).verdict).toBe("pass");
  });
  it("fails on an undefined metric and on no evidence, saying why", () => {
    const missing = judge({ metric: "roc-auc", atLeast: 0.7 }, undefinedValue);
    expect(missing).toMatchObject({ verdict: "fail", slice: "overall" });
    expect(missing.reason).toContain("rows of one class only");
    expect(judge({ metric: "roc-auc", atLeast: 0.7 }).verdict).toBe("fail");
  });
  it("lets the worst slice decide and names it", () => {
    const gate = { metric: "accuracy", atLeast: 0.8 } as const;
    const result = judge(gate, estimate(0.9, 0.95), estimate(0.81, 0.85), estimate(0.85, 0.9));
    expect(result).toMatchObject({ verdict: "pass", slice: "origin=1" });
    expect(judge(gate, estimate(0.9, 0.95), estimate(0.79, 0.85))).toMatchObject({
      verdict: "inconclusive",
      slice: "origin=1",
    });
    expect(judge(gate, estimate(0.1, 0.95), estimate(0.7, 0.75), estimate(0.9, 1)).slice).toBe("origin=1");
    expect(judge(gate, estimate(0.9, 0.95), undefinedValue)).toMatchObject({ verdict: "fail", slice: "origin=1" });
  });
  it("says in one sentence what was found against what was allowed", () => {
    expect(judge({ metric: "roc-auc", atLeast: 0.7 }, estimate(0.71, 0.73)).reason).toBe(
      "roc-auc is 0.72 (0.71 to 0.73 at 95 %), which keeps the gate: at least 0.7",
    );
  });
});

describe("judgeGates", () => {
  const evidenceFor = (gate: Gate) => [
    { slice: "overall", observed: gate.metric === "f1" ? estimate(0.3, 0.6) : estimate(0.7, 0.8) },
  ];
  const gate = (metric: Gate["metric"], bound: Partial<Gate>): Gate => ({ metric, rows: "overall", ...bound });
  it("passes when all gates pass, is inconclusive with one open question and fails with one failure", () => {
    const pass = gate("accuracy", { atLeast: 0.6 });
    const open = gate("f1", { atLeast: 0.5 });
    const fail = gate("recall", { atLeast: 0.9 });
    const verdict = (...gates: Gate[]) => judgeGates({ gates }, { hasChampion: false, evidenceFor }).verdict;
    expect(verdict(pass)).toBe("pass");
    expect(verdict(pass, open)).toBe("inconclusive");
    expect(verdict(pass, open, fail)).toBe("fail");
  });
  it("fails without gates: nothing was proven", () => {
    expect(judgeGates({ gates: [] }, { hasChampion: true, evidenceFor })).toEqual({ gates: [], verdict: "fail" });
  });
  it("passes a comparison without a champion and says that there is none", () => {
    const gates = [gate("accuracy", { notWorseThanChampionBy: 0.01 })];
    const [result] = judgeGates({ gates }, { hasChampion: false, evidenceFor: () => [] }).gates;
    expect(result).toMatchObject({ verdict: "pass", reason: "accuracy: there is no champion to be worse than" });
  });
});
