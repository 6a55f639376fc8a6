import { describe, expect, it } from "vitest";
import { evaluationReportSchema, evaluationSettingsSchema } from "../../../contracts/evaluation.ts";
import { METRICS } from "../../../contracts/names.ts";
import { drawCurves } from "../../../core/evaluation/curves.ts";
import { evaluateScores, type EvaluationInput } from "../../../core/evaluation/evaluate-scores.ts";
import { createScoredRows } from "../../../core/evaluation/scored-rows.ts";
import { createRandom } from "../../../core/stats/random.ts";

const settings = evaluationSettingsSchema.parse({
  gates: [{ metric: "roc-auc", atLeast: 0.6 }],
  slices: ["airport"],
  minimumSliceRows: 500,
});

/** Labels with a known chance, scores that know it, and slices of falling size whose last code is null. */
function drawInput(rowCount: number, sliceCount: number): EvaluationInput {
  const random = createRandom(41);
  const truths = Float32Array.from({ length: rowCount }, () => random.uniform() ** 2);
  return {
    scores: truths,
    championScores: truths.map((truth) => 0.5 * truth + 0.5 * random.uniform()),
    labels: Uint8Array.from(truths, (truth) => (random.uniform() < truth ? 1 : 0)),
    slices: [
      {
        column: "airport",
        codes: Int32Array.from(truths, () => Math.floor(random.uniform() ** 2 * (sliceCount + 1)) - 1),
        values: Array.from({ length: sliceCount }, (_, code) => `A${code}`),
      },
    ],
    threshold: 0.5,
    championThreshold: 0.5,
    settings,
  };
}

describe("evaluateScores", () => {
  const input = drawInput(6000, 8);
  const evaluation = evaluateScores(input);

  it("makes the pure part of a report that its schema accepts", () => {
    const digest = "0".repeat(64);
    const report = { model: digest, champion: digest, data: digest, ...evaluation };
    expect(evaluationReportSchema.parse(structuredClone(report))).toEqual(report);
    expect(evaluation.metrics.map((result) => result.metric)).toEqual([...METRICS]);
    expect(evaluation.comparison).toHaveLength(METRICS.length);
    expect(evaluation.verdict).toBe("pass");
  });
  it("reports slices largest first, small ones without numbers, rows without a value in none", () => {
    const counts = evaluation.slices.map((slice) => slice.rowCount);
    expect(counts).toEqual(counts.toSorted((one, other) => other - one));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeLessThan(6000);
    for (const slice of evaluation.slices) {
      const kinds = new Set(slice.metrics.map((result) => result.value.kind));
      expect([...kinds]).toEqual([slice.rowCount >= 500 ? "estimate" : "undefined"]);
    }
    expect(counts.at(-1)).toBeLessThan(500);
  });
  it("measures a slice as it measures those rows alone", () => {
    const [slice] = evaluation.slices;
    const code = input.slices[0]!.values.indexOf(slice!.value);
    const rows = Array.from(input.labels.keys()).filter((row) => input.slices[0]!.codes[row] === code);
    const alone = evaluateScores({
      ...input,
      scores: Float32Array.from(rows, (row) => input.scores[row]!),
      labels: Uint8Array.from(rows, (row) => input.labels[row]!),
      championScores: null,
      slices: [],
    });
    expect(alone.metrics).toEqual(slice!.metrics);
  });
  it("widens intervals of gates over every slice for their number and fails when no slice is large enough", () => {
    const gate = (minimumSliceRows: number) => {
      const gates = [{ metric: "accuracy", atLeast: 0.3, rows: "every-slice" }];
      const over = evaluationSettingsSchema.parse({ gates, minimumSliceRows });
      return evaluateScores({ ...input, settings: over }).gates[0]!;
    };
    const judged = evaluation.slices.filter((slice) => slice.rowCount >= 500).length;
    expect(judged).toBeGreaterThan(2);
    expect(gate(500)).toMatchObject({ verdict: "pass", observed: { confidence: 1 - 0.05 / judged } });
    expect(gate(500).slice).toMatch(/^airport=A\d$/);
    expect(gate(6000)).toMatchObject({ verdict: "fail" });
  });
  it("judges a paired gate by slice against the champion", () => {
    const gates = [{ metric: "roc-auc", notWorseThanChampionBy: 0.02, rows: "every-slice" }];
    const over = evaluationSettingsSchema.parse({ gates, minimumSliceRows: 500 });
    expect(evaluateScores({ ...input, settings: over }).verdict).toBe("pass");
    const swapped = { ...input, scores: input.championScores!, championScores: input.scores };
    expect(evaluateScores({ ...swapped, settings: over })).toMatchObject({ verdict: "fail" });
  });
  it("decides for each model at its own threshold", () => {
    const halved = input.scores.map((score) => score / 2);
    const same = evaluateScores({ ...input, championScores: halved, championThreshold: 0.25 });
    const accuracy = same.comparison.find((result) => result.metric === "accuracy");
    expect(accuracy).toMatchObject({ difference: { kind: "estimate", estimate: 0 } });
  });
  it("fails on no rows, with metrics that say so", () => {
    const none = { scores: new Float32Array(), championScores: null, labels: new Uint8Array(), slices: [] };
    const empty = evaluateScores({ ...input, ...none });
    expect(empty.verdict).toBe("fail");
    expect(empty.metrics.every((result) => result.value.kind === "undefined")).toBe(true);
    expect(empty.curves).toEqual({ roc: [], precisionRecall: [], reliability: [] });
  });
  it("gives the same report for the same input", () => {
    expect(evaluateScores(input)).toEqual(evaluation);
  });
});

describe("drawCurves", () => {
  it("keeps both ends of curves thinned to 300 points, and the area under ROC", () => {
    const { scores, labels } = drawInput(20_000, 1);
    const { roc, precisionRecall } = drawCurves(createScoredRows(scores, labels, 0.5), settings);
    expect(roc.length).toBeGreaterThan(250);
    expect(roc.length).toBeLessThanOrEqual(300);
    expect(precisionRecall.length).toBeLessThanOrEqual(300);
    expect(roc[0]).toEqual([0, 0]);
    expect(roc.at(-1)).toEqual([1, 1]);
    expect(precisionRecall.at(-1)![0]).toBe(1);
    const area = roc
      .slice(1)
      .reduce((sum, [x, y], index) => sum + ((x - roc[index]![0]) * (y + roc[index]![1])) / 2, 0);
    const auc = evaluateScores({ ...drawInput(20_000, 1), slices: [] }).metrics.find(
      (result) => result.metric === "roc-auc",
    );
    expect(auc!.value).toMatchObject({ kind: "estimate", estimate: expect.closeTo(area, 2) as number });
  });
  it("leaves empty bins out and gives each other bin a Wilson interval around its share", () => {
    const rows = createScoredRows(Float64Array.of(0.05, 0.05, 0.95), Uint8Array.of(0, 1, 1), 0.5);
    const { reliability } = drawCurves(rows, { calibrationBins: 10, confidence: 0.95 });
    expect(reliability.map((bin) => [bin.meanScore, bin.positiveShare, bin.rowCount])).toEqual([
      [0.05, 0.5, 2],
      [0.95, 1, 1],
    ]);
    expect(reliability[1]).toMatchObject({ high: 1 });
    expect(reliability[1]!.low).toBeLessThan(0.25);
  });
});
