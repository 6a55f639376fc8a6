import { describe, expect, it } from "vitest";
import { trackSearch } from "../../../adapters/compute/search-progress.ts";
import type { Screen } from "../../../cli/screen.ts";
import { followSearch, renderSearch } from "../../../cli/search-view.ts";
import { createPaint, textWidth } from "../../../client/text.ts";
import type { SearchProgress } from "../../../contracts/search-progress.ts";

const paint = createPaint(false);

/** Everything a search of three passes tells: one that is found at once, one with fallbacks, one that cannot be made. */
function told(): { readonly share: number; readonly note: string; readonly search: SearchProgress }[] {
  const steps: { share: number; note: string; search: SearchProgress }[] = [];
  const passes = ["store-f16", "static-int8", "weight-only-int4"] as const;
  const tracker = trackSearch(passes, 1000, (note, search, doneCount) =>
    steps.push({ share: 0.1 + (0.5 * doneCount) / 3, note, search }),
  );
  const trial = { layer: null, sameDecisionShare: 1 };
  tracker.begin("store-f16");
  tracker.tried({ ...trial, pass: "store-f16", stage: "full", fallbacks: [], signalToNoiseDb: 68, isInside: true });
  tracker.found("store-f16", 510);
  tracker.begin("static-int8");
  const failing = { ...trial, pass: "static-int8", isInside: false } as const;
  tracker.tried({ ...failing, stage: "full", fallbacks: [], signalToNoiseDb: 12 });
  tracker.tried({ ...failing, stage: "layer", layer: "dense2", fallbacks: ["dense1"], signalToNoiseDb: 11 });
  tracker.tried({ ...failing, stage: "full", fallbacks: ["dense2"], signalToNoiseDb: 31.5, isInside: true });
  tracker.found("static-int8", 290);
  tracker.begin("weight-only-int4");
  tracker.leftOut("weight-only-int4", "nothing to quantize");
  return steps;
}

function screenOf(options: Partial<Screen>) {
  const lines: string[] = [];
  const drawn: (readonly string[])[] = [];
  const screen: Screen = {
    json: false,
    width: 90,
    color: false,
    paint,
    live: false,
    redraw: (picture) => drawn.push(picture),
    erase: () => undefined,
    say: (line) => lines.push(line),
    progress: (_, note) => drawn.push([note]),
    ...options,
  };
  return { screen, lines, drawn };
}

describe("the view of a search while it runs", () => {
  it("draws the candidates, what was found of each, the front and the best so far", () => {
    const { share, note, search } = told().at(-1)!;
    expect(renderSearch({ width: 90, paint }, share, note, search)).toEqual([
      "━━━━━━━━━━──────  weight-only-int4: nothing to quantize",
      "candidate         of fp32  outputs  in float  front",
      "fp32                 1.00    equal            •      inside the tolerances",
      "store-f16            0.51  68.0 dB            •      inside the tolerances",
      "static-int8          0.29  31.5 dB         1  •      inside the tolerances",
      "weight-only-int4                                     nothing to quantize",
      "best so far: static-int8 · 4 trials",
    ]);
  });

  it("changes with every trial: a layer alone says nothing of the candidate, fallbacks do", () => {
    const steps = told();
    const at = (note: string) => steps.find((step) => step.note === note)!.search;
    const alone = at("static-int8: what dense2 costs alone");
    expect(alone).toMatchObject({ best: "store-f16", trialCount: 3 });
    expect(alone.candidates[2]).toMatchObject({ state: "searching", signalToNoiseDb: 12, fallbackCount: 0 });
    expect(at("static-int8: 1 layers back in float").candidates[2]).toMatchObject({
      state: "searching",
      signalToNoiseDb: 31.5,
      fallbackCount: 1,
    });
  });

  it("leaves a candidate off the front that another beats in size and closeness", () => {
    const steps: SearchProgress[] = [];
    const tracker = trackSearch(["store-f16", "store-int8"], 1000, (_, search) => steps.push(search));
    const trial = { stage: "full" as const, fallbacks: [], layer: null, sameDecisionShare: 1, isInside: true };
    tracker.tried({ ...trial, pass: "store-f16", signalToNoiseDb: 60 });
    tracker.found("store-f16", 500);
    tracker.tried({ ...trial, pass: "store-int8", signalToNoiseDb: 50 });
    tracker.found("store-int8", 600);
    expect(steps.at(-1)!.candidates.map(({ onFront }) => onFront)).toEqual([true, true, false]);
    expect(steps.at(-1)!.best).toBe("store-f16");
  });

  it("is drawn over on a terminal, within its width, and goes on while candidates are timed", () => {
    const { screen, lines, drawn } = screenOf({ live: true, width: 50 });
    const follow = followSearch(screen);
    follow(0.1, "rows sampled");
    for (const { share, note, search } of told()) follow(share, note, search);
    follow(0.6, "timing 3 candidates beside each other");
    expect(lines).toEqual([]);
    expect(drawn[0]).toEqual(["rows sampled"]);
    expect(drawn.at(-1)![0]).toContain("timing 3 candidates");
    expect(drawn.at(-1)).toHaveLength(7);
    expect(Math.max(...drawn.flat().map(textWidth))).toBeLessThanOrEqual(50);
  });

  it("is a line a candidate elsewhere, once each, and nothing with --json", () => {
    const plain = screenOf({});
    const silent = screenOf({ json: true });
    for (const { screen } of [plain, silent]) {
      const follow = followSearch(screen);
      for (const { share, note, search } of told()) follow(share, note, search);
    }
    expect(plain.lines).toEqual([
      "store-f16: 0.51 of fp32's size, outputs 68.0 dB, inside the tolerances",
      "static-int8: 0.29 of fp32's size, outputs 31.5 dB, 1 layer in float, inside the tolerances",
      "weight-only-int4: nothing to quantize",
    ]);
    expect([...silent.lines, ...silent.drawn]).toEqual([]);
  });
});
