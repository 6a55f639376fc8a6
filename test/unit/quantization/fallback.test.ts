import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rankLayers, searchFallbacks } from "../../../core/quantization/fallback.ts";
import { paretoFront } from "../../../core/quantization/pareto.ts";

const names = (count: number) => Array.from({ length: count }, (_, at) => `layer${at}`);

/** A tolerance that is kept when these layers are in float, and how often it was asked. */
function needing(needed: readonly string[]) {
  const asked: string[] = [];
  const isInside = (fallbacks: readonly string[]) => {
    asked.push(fallbacks.join(","));
    return Promise.resolve(needed.every((name) => fallbacks.includes(name)));
  };
  return { asked, isInside };
}

describe("layers given back to float", () => {
  it("are exactly those that are needed, wherever they stand in the ranking", async () => {
    const subsets = fc
      .integer({ min: 1, max: 40 })
      .chain((count) => fc.tuple(fc.constant(names(count)), fc.subarray(names(count), { minLength: 1 })));
    await fc.assert(
      fc.asyncProperty(subsets, async ([ranked, needed]) => {
        const { isInside, asked } = needing(needed);
        expect(await searchFallbacks(ranked, isInside)).toEqual(needed);
        expect(new Set(asked).size).toBe(asked.length);
        expect(asked.length).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(ranked.length + 1)) + ranked.length + 1);
      }),
    );
  });

  it("are found with few trials when the worst of many are needed", async () => {
    const { isInside, asked } = needing(["layer0", "layer1"]);
    expect(await searchFallbacks(names(200), isInside)).toEqual(["layer0", "layer1"]);
    expect(asked).toEqual(["layer0", "layer0,layer1", "layer1"]);
  });

  it("are none when not even all of them suffice", async () => {
    expect(await searchFallbacks(names(9), needing(["another"]).isInside)).toBeUndefined();
    expect(await searchFallbacks(names(1), needing(["another"]).isInside)).toBeUndefined();
  });

  it("are ranked by what each does alone, the worst first, ties by name, one that does nothing last", () => {
    const layers = [
      { name: "b", signalToNoiseDb: 20 },
      { name: "quiet", signalToNoiseDb: null },
      { name: "a", signalToNoiseDb: 20 },
      { name: "worst", signalToNoiseDb: 3 },
    ];
    expect(rankLayers(layers)).toEqual(["worst", "a", "b", "quiet"]);
  });
});

describe("the Pareto front", () => {
  it("holds a point exactly when no other is as good everywhere and better somewhere", () => {
    const points = fc.array(fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 3, maxLength: 3 }), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(points, (all) => {
        const front = paretoFront(all);
        for (const [at, point] of all.entries()) {
          const better = all.filter(
            (other) =>
              other.every((value, axis) => value <= point[axis]!) && other.some((value, axis) => value < point[axis]!),
          );
          expect(front[at]).toBe(better.length === 0);
        }
        expect(all.length === 0 || front.includes(true)).toBe(true);
      }),
    );
  });

  it("takes what is not a number for worse than any number", () => {
    expect(
      paretoFront([
        [1, Number.NaN],
        [1, 5],
        [0, Number.NaN],
      ]),
    ).toEqual([false, true, true]);
  });
});
