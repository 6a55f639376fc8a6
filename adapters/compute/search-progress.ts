import type { QuantizationPassName } from "../../contracts/names.ts";
import type { Trial } from "../../contracts/optimization.ts";
import type { CandidateProgress, SearchProgress } from "../../contracts/search-progress.ts";
import { ORIGINAL } from "../../core/quantization/choose.ts";
import { paretoFront } from "../../core/quantization/pareto.ts";

/** What is known of a search while it runs. Every method tells it on. */
export interface SearchTracker {
  readonly begin: (pass: QuantizationPassName) => void;
  readonly tried: (trial: Trial) => void;
  readonly found: (pass: QuantizationPassName, sizeBytes: number) => void;
  readonly leftOut: (pass: QuantizationPassName, reason: string) => void;
}

type Known = Omit<CandidateProgress, "onFront">;

/** @param tell is given what is known, and a note for where only a line is shown */
export function trackSearch(
  passes: readonly QuantizationPassName[],
  originalBytes: number,
  tell: (note: string, search: SearchProgress, doneCount: number) => void,
): SearchTracker {
  const fresh = { reason: "", fallbackCount: 0, signalToNoiseDb: null, isInside: false, sizeRatio: null } as const;
  const known = new Map<string, Known>([
    [ORIGINAL, { ...fresh, name: ORIGINAL, state: "found", isInside: true, sizeRatio: 1 }],
    ...passes.map((name): [string, Known] => [name, { ...fresh, name, state: "waiting" }]),
  ]);
  let trialCount = 0;
  const change = (name: string, changes: Partial<Known>, note: string): void => {
    const before = known.get(name);
    if (before !== undefined) known.set(name, { ...before, ...changes });
    const all = [...known.values()];
    const done = all.filter(({ name: of, state }) => of !== ORIGINAL && (state === "found" || state === "left out"));
    tell(note, { candidates: withFront(all), best: bestOf(all), trialCount }, done.length);
  };
  return {
    begin: (pass) => change(pass, { state: "searching" }, `${pass}: making the candidate`),
    tried: ({ pass, stage, layer, fallbacks, signalToNoiseDb, isInside }) => {
      trialCount++;
      const about = { fallbackCount: fallbacks.length, signalToNoiseDb, isInside };
      if (stage === "layer") change(pass, {}, `${pass}: what ${layer ?? ""} costs alone`);
      else change(pass, about, `${pass}: ${fallbacks.length} layers back in float`);
    },
    found: (pass, sizeBytes) =>
      change(pass, { state: "found", sizeRatio: sizeBytes / originalBytes }, `${pass}: made and compared`),
    leftOut: (pass, reason) => change(pass, { state: "left out", reason }, `${pass}: ${reason}`),
  };
}

/** A candidate whose outputs equal fp32's is as near as one can be. */
function withFront(all: readonly Known[]): CandidateProgress[] {
  const made = all.filter(({ state, sizeRatio }) => state === "found" && sizeRatio !== null);
  const front = paretoFront(
    made.map(({ sizeRatio, signalToNoiseDb }) => [sizeRatio ?? 1, -(signalToNoiseDb ?? Number.MAX_VALUE)]),
  );
  return all.map((candidate) => ({ ...candidate, onFront: front[made.indexOf(candidate)] ?? false }));
}

function bestOf(all: readonly Known[]): string {
  const inside = all.filter(({ state, isInside }) => state === "found" && isInside);
  return inside.toSorted((one, other) => (one.sizeRatio ?? 1) - (other.sizeRatio ?? 1))[0]?.name ?? ORIGINAL;
}
