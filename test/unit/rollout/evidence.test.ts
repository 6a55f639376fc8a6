import { describe, expect, it } from "vitest";
import { EVIDENCE_CAP } from "../../../core/rollout/evidence.ts";
import { levelAboveEvidence, levelBelowEvidence } from "../../../core/rollout/rate-level-evidence.ts";
import { ratioAboveEvidence, ratioBelowEvidence } from "../../../core/rollout/rate-ratio-evidence.ts";
import { sampleRatioEvidence } from "../../../core/rollout/sample-ratio-evidence.ts";
import { rateRatio } from "../../../core/rollout/rate-ratio.ts";
import fixture from "../../fixtures/rollout/evidence.json" with { type: "json" };

describe("evidence of a rollout", () => {
  it.each(fixture.cases.map((one, index) => ({ ...one, index })))(
    "equals the event-by-event product in exact fractions, case $index",
    ({ epochs, level, margin, ...expected }) => {
      const splits = epochs.map(({ canaryShare, canary, champion }) => ({ canaryShare, events: { canary, champion } }));
      const trials = epochs.map(({ canary, trials }) => ({ events: canary, trials }));
      for (const [actual, exact] of [
        [ratioAboveEvidence(splits, 1), expected.ratioAbove],
        [ratioBelowEvidence(splits, margin), expected.ratioBelow],
        [levelAboveEvidence(trials, level), expected.levelAbove],
        [levelBelowEvidence(trials, level), expected.levelBelow],
        [sampleRatioEvidence(splits), expected.sampleRatio],
      ] as const) {
        expect(Math.abs(actual / Math.min(exact, EVIDENCE_CAP) - 1)).toBeLessThan(fixture.tolerance);
      }
    },
  );

  it("is 1 without a single event", () => {
    const empty = [{ canaryShare: 0.05, events: { canary: 0, champion: 0 } }];
    for (const splits of [[], empty]) {
      expect(ratioAboveEvidence(splits, 1)).toBeCloseTo(1, 12);
      expect(ratioBelowEvidence(splits, 2)).toBeCloseTo(1, 12);
      expect(sampleRatioEvidence(splits)).toBeCloseTo(1, 12);
    }
    expect(levelAboveEvidence([{ events: 0, trials: 0 }], 0.01)).toBeCloseTo(1, 12);
    expect(levelBelowEvidence([], 0.01)).toBeCloseTo(1, 12);
  });

  it("stays a finite number at the ends of the scale", () => {
    expect(levelAboveEvidence([{ events: 1, trials: 10 }], 0)).toBe(EVIDENCE_CAP);
    expect(levelBelowEvidence([{ events: 0, trials: 10 }], 0)).toBe(1);
    expect(levelAboveEvidence([{ events: 10, trials: 10 }], 1)).toBe(1);
    expect(levelBelowEvidence([{ events: 9, trials: 10 }], 1)).toBe(EVIDENCE_CAP);
    expect(ratioAboveEvidence([{ canaryShare: 0.05, events: { canary: 1e6, champion: 0 } }], 1)).toBe(EVIDENCE_CAP);
    expect(levelBelowEvidence([{ events: 100, trials: 100 }], 0.01)).toBeLessThan(1e-10);
  });

  it("takes nothing from epochs in which one arm had no traffic", () => {
    const shared = { canaryShare: 0.25, events: { canary: 9, champion: 11 } };
    const alone = { canaryShare: 1, events: { canary: 50, champion: 0 } };
    expect(ratioAboveEvidence([shared, alone], 1)).toBe(ratioAboveEvidence([shared], 1));
    expect(ratioBelowEvidence([alone, shared], 2)).toBe(ratioBelowEvidence([shared], 2));
  });

  it("finds a harm that starts only after a long healthy step, thanks to fresh starts", () => {
    const healthy = { canaryShare: 0.05, events: { canary: 500, champion: 9500 } };
    const harmful = { canaryShare: 0.5, events: { canary: 90, champion: 30 } };
    expect(ratioAboveEvidence([healthy, harmful], 1)).toBeGreaterThan(1000);
  });

  it("compares rates within epochs, so that a ramp under a rising base rate shows no ratio", () => {
    const tallies = [
      { canaryShare: 0.05, events: { canary: 5, champion: 95 }, trials: { canary: 500, champion: 9500 } },
      { canaryShare: 0.5, events: { canary: 250, champion: 250 }, trials: { canary: 5000, champion: 5000 } },
    ];
    expect(rateRatio(tallies)).toBeCloseTo(1, 12);
    const none = { canary: 0, champion: 0 };
    const [first, second] = tallies;
    const worse = { ...second!, events: { canary: 500, champion: 250 } };
    const empty = { canaryShare: 0.25, events: none, trials: none };
    expect(rateRatio([first!, empty, worse])).toBeCloseTo(rateRatio([first!, worse])!, 12);
    expect(rateRatio([first!, empty, worse])).toBeGreaterThan(1.5);
    expect(rateRatio([])).toBeNull();
  });
});
