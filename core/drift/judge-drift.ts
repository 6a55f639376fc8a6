import type {
  BaselineColumn,
  BaselineProfile,
  DriftReport,
  DriftResult,
  DriftSettings,
} from "../../contracts/drift.ts";
import { Failure } from "../../contracts/failures.ts";
import type { DriftVerdict } from "../../contracts/names.ts";
import type { Digest } from "../../contracts/primitives.ts";
import type { Comparison, DriftTest } from "./tests/drift-test.ts";
import { driftTests } from "./tests/registry.ts";

export interface DriftWindow {
  readonly data: Digest;
  readonly rowCount: number;
  /** Counts in the profile's bins, of all its columns or of some (the score needs the model). */
  readonly counts: readonly BaselineColumn[];
}

/**
 * Judges a window against the profile; the only place that raises an alarm. Every test on every column gets an equal part of one
 * error budget, 1 / checksPerFalseAlarm (Bonferroni, valid under any dependence), so that a stable stream pages at most once in that
 * many checks on average, whatever is watched. A result is `drifted` when its lower bound exceeds the margin, `stable` when its
 * upper bound does not, and `insufficient` between the two and in windows below `minimumRows`; a larger window decides it.
 *
 * Rows are taken as independent draws: windows of few clustered entities deserve wider margins. A test without rows on one side
 * has no effect to measure: it is `insufficient`, its interval is the whole range and `method.undefined` says why (its
 * statistic 0 means nothing then).
 * @throws COLUMN_MISSING when `settings.columns` names a column that was not counted or is not in the profile
 */
export function judgeDrift(input: {
  readonly profile: BaselineProfile;
  readonly window: DriftWindow;
  readonly settings: DriftSettings;
}): DriftReport {
  const { profile, window, settings } = input;
  const pairs = watchedPairs(profile, window, settings);
  const alpha = 1 / settings.checksPerFalseAlarm / Math.max(1, pairs.length);
  const enough = window.rowCount >= settings.minimumRows;
  const results = pairs.map(({ test, counts }) => resultOf(test, counts, { alpha, enough, settings }));
  return {
    reference: profile.data,
    current: window.data,
    rowCount: window.rowCount,
    settings,
    results,
    verdict: overall(results),
    driftedColumns: [...new Set(results.filter(({ verdict }) => verdict === "drifted").map(({ column }) => column))],
    counts: pairs.map(({ counts }) => counts.current).filter((column, index, all) => all.indexOf(column) === index),
  };
}

interface Pair {
  readonly test: DriftTest;
  readonly counts: Comparison;
}

function watchedPairs(profile: BaselineProfile, window: DriftWindow, settings: DriftSettings): Pair[] {
  const counted = new Map(window.counts.map((column) => [column.column, column]));
  const comparisons = profile.columns.flatMap((reference): Comparison[] => {
    const current = counted.get(reference.column);
    return current ? [{ reference, current }] : [];
  });
  const chosen = settings.columns ? new Set(settings.columns) : null;
  for (const column of chosen ?? []) {
    if (comparisons.some(({ reference }) => reference.column === column)) continue;
    const found = comparisons.map(({ reference }) => reference.column).join(", ") || "no columns";
    throw new Failure("COLUMN_MISSING", { where: "drift check", column, found });
  }
  const tests = [...new Set(settings.tests)].map((name): DriftTest => driftTests[name]);
  return comparisons
    .filter(({ reference }) => !chosen || chosen.has(reference.column))
    .flatMap((counts) =>
      tests.filter(({ kinds }) => kinds.includes(counts.reference.kind)).map((test) => ({ test, counts })),
    );
}

function resultOf(
  test: DriftTest,
  counts: Comparison,
  { alpha, enough, settings }: { alpha: number; enough: boolean; settings: DriftSettings },
): DriftResult {
  const { reference, current } = counts;
  const margin = settings.margins[test.name] ?? test.defaultMargin;
  const rows = { reference: test.rowCount(reference), current: test.rowCount(current) };
  const method = {
    version: 1,
    effect: test.effect,
    unit: test.unit,
    bounds: test.bounds,
    alpha,
    referenceRows: rows.reference,
    currentRows: rows.current,
  };
  const common = { column: reference.column, test: test.name, margin };
  if (rows.reference === 0 || rows.current === 0) {
    const side = rows.reference === 0 ? "reference" : "window";
    return {
      ...common,
      statistic: 0,
      interval: [...test.range],
      verdict: "insufficient",
      detectable: test.range[1] + margin,
      method: { ...method, undefined: `the ${side} has no rows with a value in this column` },
    };
  }
  const [low, high] = test.interval(counts, alpha);
  return {
    ...common,
    statistic: test.measure(counts),
    interval: [low, high],
    verdict: verdictOf(low, high, margin, enough),
    detectable: test.detectable(counts, margin, alpha),
    method: { ...method, ...test.facts(counts) },
  };
}

function verdictOf(low: number, high: number, margin: number, enough: boolean): DriftVerdict {
  if (!enough) return "insufficient";
  if (low > margin) return "drifted";
  return high <= margin ? "stable" : "insufficient";
}

function overall(results: readonly DriftResult[]): DriftVerdict {
  if (results.some(({ verdict }) => verdict === "drifted")) return "drifted";
  return results.length > 0 && results.every(({ verdict }) => verdict === "stable") ? "stable" : "insufficient";
}
