import { describe, expect, it } from "vitest";
import type { BaselineColumn } from "../../../contracts/drift.ts";
import { DRIFT_TESTS } from "../../../contracts/names.ts";
import { foldCells, valueCount } from "../../../core/drift/column-counts.ts";
import type { DriftTest } from "../../../core/drift/tests/drift-test.ts";
import { driftTests } from "../../../core/drift/tests/registry.ts";
import { bernoulliBounds } from "../../../core/stats/bernoulli-bounds.ts";
import { multinomialDivergenceBound } from "../../../core/stats/multinomial-divergence-bound.ts";
import { createRandom, type Random } from "../../../core/stats/random.ts";
import fixture from "../../fixtures/drift/drift.json" with { type: "json" };

const column = (kind: "number" | "category", counts: readonly number[], nullCount = 0): BaselineColumn =>
  kind === "number"
    ? { kind, column: "x", edges: counts.slice(1).map((_, index) => index), counts: [...counts], nullCount }
    : { kind, column: "x", values: counts.slice(1).map((_, index) => `v${index}`), counts: [...counts], nullCount };

/** `rows` draws from these shares; the last share is of nulls. */
function draw(random: Random, kind: "number" | "category", shares: readonly number[], rows: number): BaselineColumn {
  const counts = shares.map(() => 0);
  for (let row = 0; row < rows; row += 1) {
    let left = random.uniform();
    let cell = 0;
    while (cell < shares.length - 1 && left >= shares[cell]!) left -= shares[cell++]!;
    counts[cell]! += 1;
  }
  return column(kind, counts.slice(0, -1), counts.at(-1));
}

describe("drift statistics against SciPy", () => {
  it.each(fixture.cases.map((one, index) => ({ ...one, index })))("agree on case $index", (one) => {
    const counts = { reference: column("number", one.reference), current: column("number", one.current) };
    const expected: [DriftTest, number][] = [[driftTests["kolmogorov-smirnov"], one.kolmogorovSmirnov]];
    if (one.reference.length <= 10) {
      expected.push([driftTests["jensen-shannon"], one.jensenShannon]);
      expected.push([driftTests["population-stability-index"], one.populationStabilityIndex]);
    }
    for (const [test, value] of expected)
      expect(Math.abs(test.measure(counts) - value)).toBeLessThan(fixture.tolerance);
  });

  it.each(fixture.bernoulliBounds)(
    "agree on the bounds of $events events in $trials",
    ({ events, trials, alpha, low, high }) => {
      const bounds = bernoulliBounds(events, trials, alpha);
      expect(Math.abs(bounds[0] - low)).toBeLessThan(fixture.tolerance);
      expect(Math.abs(bounds[1] - high)).toBeLessThan(fixture.tolerance);
    },
  );

  it.each(fixture.divergenceBounds)(
    "agree on the divergence of $samples rows in $cells cells",
    ({ samples, cells, alpha, bound }) => {
      expect(Math.abs(multinomialDivergenceBound(samples, cells, alpha) - bound)).toBeLessThan(fixture.tolerance);
    },
  );
});

describe("bounds", () => {
  it("of a Bernoulli share fail rarely enough on each side, summed over exact binomial chances", () => {
    for (const [trials, share, alpha] of [
      [60, 0.02, 0.1],
      [60, 0.5, 0.1],
      [200, 0.004, 0.01],
      [200, 0.9, 0.2],
    ] as const) {
      let chance = (1 - share) ** trials;
      let above = 0;
      let below = 0;
      for (let events = 0; events <= trials; events += 1) {
        const [low, high] = bernoulliBounds(events, trials, alpha);
        if (share < low) above += chance;
        if (share > high) below += chance;
        chance *= ((trials - events) / (events + 1)) * (share / (1 - share));
      }
      expect(above).toBeLessThanOrEqual(alpha / 2);
      expect(below).toBeLessThanOrEqual(alpha / 2);
    }
  });

  it("refuse counts that are no counts", () => {
    expect(() => bernoulliBounds(2, 1, 0.1)).toThrow(RangeError);
    expect(() => bernoulliBounds(0, 1, 0)).toThrow(RangeError);
    expect(() => multinomialDivergenceBound(0, 3, 0.1)).toThrow(RangeError);
    expect(bernoulliBounds(0, 0, 0.1)).toEqual([0, 1]);
    expect(multinomialDivergenceBound(10, 1, 0.1)).toBe(0);
  });

  it("of the Jensen-Shannon distance rest on a true inequality: its square is at most half of KL in nats", () => {
    const random = createRandom(11);
    for (let run = 0; run < 2000; run += 1) {
      const p = Array.from({ length: 6 }, () => random.uniform() ** (1 + random.integer(8)) + 1e-12);
      const q = Array.from({ length: 6 }, () =>
        random.uniform() < 0.2 ? 0 : random.uniform() ** (1 + random.integer(8)),
      );
      q[0]! += 1e-9;
      const sum = (some: readonly number[]) => some.reduce((a, b) => a + b, 0);
      const [pSum, qSum] = [sum(p), sum(q)];
      const divergence = sum(
        q.map((one, cell) => (one === 0 ? 0 : (one / qSum) * Math.log(one / qSum / (p[cell]! / pSum)))),
      );
      const scale = (some: readonly number[]) =>
        column(
          "number",
          some.map((one) => one * 1e9),
        );
      const distance = driftTests["jensen-shannon"].measure({ reference: scale(p), current: scale(q) });
      expect(distance ** 2).toBeLessThanOrEqual(divergence / 2 + 1e-12);
    }
  });
});

/** Shares of bins and, last, of nulls. */
const shapes = {
  even: [...Array.from({ length: 12 }, () => 0.98 / 12), 0.02],
  skewed: [0.6, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.005, 0.01],
};

describe.each(DRIFT_TESTS.flatMap((name) => driftTests[name].kinds.map((kind) => ({ name, kind }))))(
  "the test $name on a $kind",
  ({ name, kind }) => {
    const test: DriftTest = driftTests[name];

    it("describes itself", () => {
      expect(test.name).toBe(name);
      expect(test.range[0]).toBeLessThan(test.range[1]);
      expect(test.defaultMargin).toBeGreaterThan(0);
      expect(test.bounds).not.toBe("");
    });

    it("sees nothing between equal counts, whatever the number of rows", () => {
      const reference = column(kind, [40, 30, 20, 10], 4);
      const current = column(kind, [4000, 3000, 2000, 1000], 400);
      expect(test.measure({ reference, current })).toBeCloseTo(0, 12);
    });

    it("stays within its range and its bounds hold the estimate, for any counts", () => {
      const random = createRandom(17);
      for (let run = 0; run < 100; run += 1) {
        const some = () =>
          column(
            kind,
            Array.from({ length: 15 }, () => random.integer(2) * random.integer(200)).concat(1),
            random.integer(50),
          );
        const counts = { reference: some(), current: some() };
        const effect = test.measure(counts);
        const [low, high] = test.interval(counts, 0.01);
        expect(low).toBeLessThanOrEqual(effect);
        expect(high).toBeGreaterThanOrEqual(effect);
        expect(low).toBeGreaterThanOrEqual(test.range[0]);
        expect(high).toBeLessThanOrEqual(test.range[1]);
      }
    });

    it.each([200, 2000])("holds the true effect at its stated rate with windows of %i rows", (rows) => {
      const random = createRandom(rows);
      const runs = 150;
      let missed = 0;
      const scaled = (shares: readonly number[]) =>
        column(
          kind,
          shares.slice(0, -1).map((share) => share * 1e9),
          shares.at(-1)! * 1e9,
        );
      for (let run = 0; run < runs; run += 1) {
        const reference = draw(random, kind, shapes.skewed, 3000);
        const current = draw(random, kind, run % 2 === 0 ? shapes.skewed : shapes.skewed.toReversed(), rows);
        const truth = run % 2 === 0 ? scaled(shapes.skewed) : scaled(shapes.skewed.toReversed());
        const [low, high] = test.interval({ reference, current }, 0.1);
        const actual = test.measure({ reference: scaled(shapes.skewed), current: truth });
        if (actual < low - 1e-12 || actual > high + 1e-12) missed += 1;
      }
      expect(missed / runs).toBeLessThanOrEqual(0.1);
    });

    it("narrows with more rows and says what effect they could prove", () => {
      const reference = column(
        kind,
        shapes.even.slice(0, -1).map((share) => Math.round(share * 1e6)),
        20_000,
      );
      const provable = (current: BaselineColumn) => test.detectable({ reference, current }, test.defaultMargin, 1e-4);
      const at = (rows: number) => {
        const counts = shapes.even.map((share) => Math.round(share * rows));
        return provable(column(kind, counts.slice(0, -1), counts.at(-1)));
      };
      expect(at(100_000)).toBeLessThan(at(3000));
      expect(at(100_000)).toBeGreaterThan(test.defaultMargin);
      expect(at(100_000)).toBeLessThan(2 * test.defaultMargin);
      expect(provable(column(kind, [3, ...Array.from({ length: 11 }, () => 0)]))).toBeGreaterThan(test.range[1]);
    });
  },
);

describe("folding bins into cells", () => {
  it("makes deciles of 64 bins and keeps values beyond the reference apart", () => {
    const reference = column("number", [0, ...Array.from({ length: 62 }, () => 10), 0]);
    const current = column("number", [7, ...Array.from({ length: 62 }, () => 0), 9]);
    const cells = foldCells(reference, current);
    expect(cells.reference.length).toBe(12);
    expect(cells.current).toEqual([7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    expect(cells.reference.slice(1, -1).every((count) => count >= 60 && count <= 70)).toBe(true);
  });

  it("keeps the 31 most frequent values and pools the rest with the new ones, losing no row", () => {
    const reference = column("category", [...Array.from({ length: 100 }, (_, index) => index), 0]);
    const current = column("category", [...Array.from({ length: 100 }, () => 1), 50]);
    const cells = foldCells(reference, current);
    expect(cells.reference.length).toBe(32);
    expect(cells.current.at(-1)).toBe(69 + 50);
    expect(cells.reference.reduce((a, b) => a + b, 0)).toBe(valueCount(reference));
  });
});
