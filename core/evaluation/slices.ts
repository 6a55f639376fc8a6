import type { SliceResult } from "../../contracts/evaluation.ts";
import { METRICS } from "../../contracts/names.ts";
import { createUndefined } from "./estimate.ts";
import type { MetricSettings } from "./metric.ts";
import { measureAll } from "./measure-all.ts";
import { splitScoredRows, type PairedRows, type ScoredRows } from "./scored-rows.ts";

/** A column whose values are slices: `codes[row]` indexes `values`. */
export interface SliceColumn {
  readonly column: string;
  readonly codes: Int32Array;
  readonly values: readonly string[];
}

export interface Slice {
  readonly column: string;
  readonly value: string;
  readonly challenger: ScoredRows;
  readonly champion: ScoredRows | null;
}

/** Reported slices a column: beyond this, a column of ids would fill the report with rows nobody can read. */
const MAXIMUM_REPORTED = 1000;

/** Cuts rows into the slices of every column, largest first. Values without rows are left out. */
export function cutSlices(
  rows: { readonly challenger: ScoredRows; readonly champion: ScoredRows | null },
  columns: readonly SliceColumn[],
): Slice[] {
  return columns.flatMap(({ column, codes, values }) => {
    const challenger = splitScoredRows(rows.challenger, codes, values.length);
    const champion = rows.champion && splitScoredRows(rows.champion, codes, values.length);
    return values
      .map((value, code) => ({ column, value, challenger: challenger[code]!, champion: champion?.[code] ?? null }))
      .filter((slice) => slice.challenger.labels.length > 0)
      .sort((one, other) => other.challenger.labels.length - one.challenger.labels.length);
  });
}

export const sliceName = ({ column, value }: Slice): string => `${column}=${value}`;

/** The paired rows of a slice, or null without a champion. */
export const pairOf = ({ challenger, champion }: Slice): PairedRows | null => champion && { challenger, champion };

/**
 * Metrics of every slice. One with fewer than `minimumRows` rows is listed with its row count and without numbers, which
 * would be noise that looks like a finding.
 */
export function reportSlices(slices: readonly Slice[], minimumRows: number, settings: MetricSettings): SliceResult[] {
  const reported = new Map<string, number>();
  return slices.flatMap(({ column, value, challenger }) => {
    const rowCount = challenger.labels.length;
    const nth = (reported.get(column) ?? 0) + 1;
    reported.set(column, nth);
    if (rowCount >= minimumRows) return { column, value, rowCount, metrics: measureAll(challenger, settings) };
    if (nth > MAXIMUM_REPORTED) return [];
    const tooFew = createUndefined(`${rowCount} rows, fewer than minimumSliceRows = ${minimumRows}`, rowCount);
    return { column, value, rowCount, metrics: METRICS.map((metric) => ({ metric, value: tooFew })) };
  });
}
