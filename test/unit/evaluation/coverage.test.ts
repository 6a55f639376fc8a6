import { describe, expect, it } from "vitest";
import type { MetricName } from "../../../contracts/names.ts";
import { metrics } from "../../../core/evaluation/metrics.ts";
import type { MetricSettings } from "../../../core/evaluation/metric.ts";
import { createScoredRows, type PairedRows, type ScoredRows } from "../../../core/evaluation/scored-rows.ts";
import { createRandom, type Random } from "../../../core/stats/random.ts";

const settings: MetricSettings = { confidence: 0.9, calibrationBins: 10, seed: 5 };

/**
 * Draws rows of a world in which labels follow a known probability, the challenger reports it distorted and the champion with noise.
 * `tilt` 1 is perfect calibration.
 */
function drawPair(random: Random, rowCount: number, tilt: number): PairedRows {
  const truths = Float64Array.from({ length: rowCount }, () => random.uniform() ** 1.5);
  const labels = Uint8Array.from(truths, (truth) => (random.uniform() < truth ? 1 : 0));
  const champion = truths.map((truth) => Math.min(1, Math.max(0, truth + 0.15 * random.normal())));
  return {
    challenger: createScoredRows(
      truths.map((truth) => truth ** tilt),
      labels,
      0.4,
    ),
    champion: createScoredRows(champion, labels, 0.4),
  };
}

const valueOf = (name: MetricName, rows: ScoredRows) => {
  const value = metrics[name].measure(rows, settings);
  if (value.kind === "undefined") throw new Error(value.reason);
  return value;
};

/** Share of `rounds` samples whose interval holds the value of a very large sample. */
function coverage(
  name: MetricName,
  { tilt, rowCount, rounds = 300 }: { tilt: number; rowCount: number; rounds?: number },
) {
  const random = createRandom(17);
  const population = drawPair(random, 100_000, tilt);
  const truth = valueOf(name, population.challenger).estimate;
  const difference = truth - valueOf(name, population.champion).estimate;
  let held = 0;
  let heldDifference = 0;
  for (let round = 0; round < rounds; round++) {
    const sample = drawPair(random, rowCount, tilt);
    const { interval } = valueOf(name, sample.challenger);
    if (interval[0] <= truth && truth <= interval[1]) held++;
    const compared = metrics[name].compare(sample, settings);
    if (compared.kind === "estimate" && compared.interval[0] <= difference && difference <= compared.interval[1]) {
      heldDifference++;
    }
  }
  return { single: held / rounds, paired: heldDifference / rounds };
}

// 300 rounds of a true 90 % stay above 0.85 but once in 300; conservative intervals may hold always.
describe("intervals at 90 % hold the truth", () => {
  it.each([
    ["accuracy", 300],
    ["precision", 300],
    ["recall", 300],
    ["f1", 300],
    ["roc-auc", 300],
    ["brier-score", 300],
    // The champion scores some rows exactly 0 or 1; a wrong one among them costs 36 nats, and 300 rows hold too few (85 % there).
    ["log-loss", 2000],
  ] as const)("%s, alone and against the champion, about nine times in ten", (name, rowCount) => {
    const { single, paired } = coverage(name, { tilt: 1.3, rowCount });
    expect(single).toBeGreaterThan(0.85);
    expect(single).toBeLessThan(0.96);
    expect(paired).toBeGreaterThan(0.85);
    expect(paired).toBeLessThan(0.96);
  });
  it.each([
    ["calibrated", 1],
    ["slightly off", 1.3],
    ["badly off", 2.5],
  ])("calibration error at least as often, of a model that is %s", (_, tilt) => {
    const { single, paired } = coverage("calibration-error", { tilt, rowCount: 400, rounds: 100 });
    expect(single).toBeGreaterThan(0.84);
    expect(paired).toBeGreaterThan(0.84);
  });
  it("AUC near 1 from few positives, where a plain normal interval fails", () => {
    const random = createRandom(23);
    const truth = 0.9615; // P(Z1 + 2.5 > Z2) = Phi(2.5 / sqrt 2)
    let held = 0;
    for (let round = 0; round < 400; round++) {
      const labels = Uint8Array.from({ length: 120 }, (_, row) => (row < 12 ? 1 : 0));
      const scores = Float64Array.from(labels, (label) => 1 / (1 + Math.exp(-(random.normal() + 2.5 * label))));
      const { interval } = valueOf("roc-auc", createScoredRows(scores, labels, 0.4));
      if (interval[0] <= truth && truth <= interval[1]) held++;
    }
    expect(held / 400).toBeGreaterThan(0.85);
  });
});

describe("comparisons", () => {
  it("are narrower than the two models' own intervals, because rows are paired", () => {
    const random = createRandom(29);
    const base = drawPair(random, 2000, 1);
    const nudged = createScoredRows(base.challenger.scores.map((score) => score * 0.99), base.challenger.labels, 0.4); // prettier-ignore
    for (const name of ["roc-auc", "log-loss", "brier-score", "accuracy"] as const) {
      const single = valueOf(name, base.challenger).interval;
      const compared = metrics[name].compare({ challenger: nudged, champion: base.challenger }, settings);
      if (compared.kind === "undefined") throw new Error(compared.reason);
      expect(compared.interval[1] - compared.interval[0]).toBeLessThan((single[1] - single[0]) / 2);
    }
  });
});
