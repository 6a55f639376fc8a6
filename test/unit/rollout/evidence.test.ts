import { describe, expect, it } from "vitest";
import { EVIDENCE_CAP } from "../../../core/rollout/evidence.ts";
import { levelAboveEvidence, levelBelowEvidence } from "../../../core/rollout/rate-level-evidence.ts";
import { ratioAboveEvidence, ratioBelowEvidence } from "../../../core/rollout/rate-ratio-evidence.ts";
import { sampleRatioEvidence } from "../../../core/rollout/sample-ratio-evidence.ts";
import { rateRatio } from "../../../core/rollout/rate-ratio.ts";
import confseq from "../../fixtures/rollout/confseq.json" with { type: "json" };
import fixture from "../../fixtures/rollout/evidence.json" with { type: "json" };

describe("evidence of a rollout", () => {
  it.each(fixture.cases.map((one, index) => ({ ...one, index })))(
    "equals the event-by-event product in exact fractions, case $index",
    ({ epochs, level, margin, ...expected }) => {
      const splits = epochs.map(({ canaryShare, canary, champion }, epoch) => ({
        epoch,
        canaryShare,
        events: { canary, champion },
      }));
      const trials = epochs.map(({ canary, trials }, epoch) => ({ epoch, events: canary, trials }));
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

  it.each(confseq.cases.map((one, index) => ({ ...one, index })))(
    "equals the betting martingales of PyPI confseq after every look, case $index",
    ({ canaryShare, level, margin, looks }) => {
      for (const { events, trials, hits, ...expected } of looks) {
        const splits = [{ epoch: 1, canaryShare, events }];
        const coins = [{ epoch: 1, events: hits, trials }];
        for (const [actual, exact] of [
          [ratioAboveEvidence(splits, 1), expected.ratioAbove],
          [ratioBelowEvidence(splits, margin), expected.ratioBelow],
          [sampleRatioEvidence(splits), expected.sampleRatio],
          [levelAboveEvidence(coins, level), expected.levelAbove],
          [levelBelowEvidence(coins, level), expected.levelBelow],
        ] as const) {
          expect(Math.abs(actual / Math.min(exact, EVIDENCE_CAP) - 1)).toBeLessThan(confseq.tolerance);
        }
      }
    },
  );

  it("is 1 without a single event", () => {
    const empty = [{ epoch: 1, canaryShare: 0.05, events: { canary: 0, champion: 0 } }];
    for (const splits of [[], empty]) {
      expect(ratioAboveEvidence(splits, 1)).toBeCloseTo(1, 12);
      expect(ratioBelowEvidence(splits, 2)).toBeCloseTo(1, 12);
      expect(sampleRatioEvidence(splits)).toBeCloseTo(1, 12);
    }
    expect(levelAboveEvidence([{ epoch: 1, events: 0, trials: 0 }], 0.01)).toBeCloseTo(1, 12);
    expect(levelBelowEvidence([], 0.01)).toBeCloseTo(1, 12);
  });

  it("stays a finite number at the ends of the scale", () => {
    expect(levelAboveEvidence([{ epoch: 1, events: 1, trials: 10 }], 0)).toBe(EVIDENCE_CAP);
    expect(levelBelowEvidence([{ epoch: 1, events: 0, trials: 10 }], 0)).toBe(1);
    expect(levelAboveEvidence([{ epoch: 1, events: 10, trials: 10 }], 1)).toBe(1);
    expect(levelBelowEvidence([{ epoch: 1, events: 9, trials: 10 }], 1)).toBe(EVIDENCE_CAP);
    expect(ratioAboveEvidence([{ epoch: 1, canaryShare: 0.05, events: { canary: 1e6, champion: 0 } }], 1)).toBe(
      EVIDENCE_CAP,
    );
    expect(levelBelowEvidence([{ epoch: 1, events: 100, trials: 100 }], 0.01)).toBeLessThan(1e-10);
  });

  it("takes nothing from epochs in which one arm had no traffic", () => {
    const shared = { epoch: 1, canaryShare: 0.25, events: { canary: 9, champion: 11 } };
    const alone = { epoch: 2, canaryShare: 1, events: { canary: 50, champion: 0 } };
    expect(ratioAboveEvidence([shared, alone], 1)).toBeCloseTo(ratioAboveEvidence([shared], 1), 12);
    expect(ratioBelowEvidence([alone, shared], 2)).toBe(ratioBelowEvidence([shared], 2));
  });

  it("finds a harm that starts only after a long healthy step, thanks to fresh starts", () => {
    const healthy = { epoch: 1, canaryShare: 0.05, events: { canary: 500, champion: 9500 } };
    const harmful = { epoch: 2, canaryShare: 0.5, events: { canary: 90, champion: 30 } };
    expect(ratioAboveEvidence([healthy, harmful], 1)).toBeGreaterThan(1000);
  });

  it("compares rates within epochs, so that a ramp under a rising base rate shows no ratio", () => {
    const tallies = [
      { epoch: 1, canaryShare: 0.05, events: { canary: 5, champion: 95 }, trials: { canary: 500, champion: 9500 } },
      { epoch: 2, canaryShare: 0.5, events: { canary: 250, champion: 250 }, trials: { canary: 5000, champion: 5000 } },
    ];
    expect(rateRatio(tallies)).toBeCloseTo(1, 12);
    const none = { canary: 0, champion: 0 };
    const [first, second] = tallies;
    const worse = { ...second!, events: { canary: 500, champion: 250 } };
    const empty = { epoch: 2, canaryShare: 0.25, events: none, trials: none };
    expect(rateRatio([first!, empty, worse])).toBeCloseTo(rateRatio([first!, worse])!, 12);
    expect(rateRatio([first!, empty, worse])).toBeGreaterThan(1.5);
    expect(rateRatio([])).toBeNull();
  });
});
