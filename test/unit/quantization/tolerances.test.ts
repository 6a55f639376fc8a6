import { describe, expect, it } from "vitest";
import { constraintsSchema } from "../../../contracts/optimization.ts";
import { judgeTolerances } from "../../../core/quantization/tolerances.ts";
import { createRandom } from "../../../core/stats/random.ts";

const ROWS = 4000;
const random = createRandom(12);
const reference = Float64Array.from({ length: ROWS }, () => random.uniform());
const labels = Uint8Array.from(reference, (score) => (random.uniform() < score ? 1 : 0));
const codes = Int32Array.from(reference, (_, row) => row % 4);
const slices = [{ column: "region", codes, values: ["north", "east", "south", "west"] }];

/** Probabilities drawn towards a half: a worse log loss, the same decisions. */
const blunted = (share: number, isHit: (row: number) => boolean = () => true) =>
  reference.map((score, row) => (isHit(row) ? score + share * (0.5 - score) : score));

const judge = (candidate: Float64Array, tolerance: object) =>
  judgeTolerances(
    { reference, candidate, labels, slices, threshold: 0.5 },
    constraintsSchema.parse({ tolerances: [tolerance], slices: ["region"] }),
  )[0]!;

describe("a tolerance", () => {
  it("passes an equal candidate, and one whose whole interval is inside", () => {
    expect(judge(reference, { metric: "log-loss", maximumDrop: 0 }).verdict).toBe("pass");
    expect(judge(blunted(0.05), { metric: "log-loss", maximumDrop: 0.01 }).verdict).toBe("pass");
    expect(judge(blunted(0.6), { metric: "accuracy", maximumDrop: 0.01 }).verdict).toBe("pass");
  });

  it("does not pass one whose estimate is inside and whose interval is not", () => {
    const result = judge(blunted(0.3), { metric: "log-loss", maximumDrop: 0.02 });
    const { observed } = result;
    const estimate = observed.kind === "estimate" ? observed : undefined;
    const tight = judge(blunted(0.3), { metric: "log-loss", maximumDrop: estimate!.estimate + 1e-4 });
    expect(estimate!.interval[1]).toBeGreaterThan(estimate!.estimate + 1e-4);
    expect(tight.verdict).toBe("inconclusive");
  });

  it("takes a share of fp32's own value", () => {
    const own = judge(reference, { metric: "log-loss", maximumRelativeDrop: 0.1 });
    const logLoss = -reference.reduce((sum, p, row) => sum + Math.log(labels[row] === 1 ? p : 1 - p), 0) / ROWS;
    expect(own.gate.notWorseThanChampionBy).toBeCloseTo(0.1 * logLoss, 2);
  });

  it("of every slice finds the one slice that is worse, and names it", () => {
    const east = blunted(0.9, (row) => row % 4 === 1);
    const slice = judge(east, { metric: "log-loss", maximumDrop: 0.06, rows: "every-slice" });
    expect(slice).toMatchObject({ verdict: "fail", slice: "region=east" });
    expect(judge(reference, { metric: "log-loss", maximumDrop: 0.06, rows: "every-slice" }).verdict).toBe("pass");
  });

  it("has exactly one bound", () => {
    const parse = (tolerance: object) => constraintsSchema.safeParse({ tolerances: [tolerance] }).success;
    expect(parse({ metric: "log-loss" })).toBe(false);
    expect(parse({ metric: "log-loss", maximumDrop: 0.1, maximumRelativeDrop: 0.1 })).toBe(false);
    expect(parse({ metric: "log-loss", maximumDrop: 0.1 })).toBe(true);
  });
});
