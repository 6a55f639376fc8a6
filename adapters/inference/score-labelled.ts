import type { DataSource } from "../../contracts/data.ts";
import { labelValues } from "../../core/data/label-values.ts";
import type { LoadedModel } from "./load-model.ts";
import { scoreTable } from "./score-table.ts";
import { createSliceCollector, joinArrays, type SliceCodes } from "./slice-codes.ts";

export interface LabelledScores {
  /** Probabilities of the positive class in the file's order, by model. */
  readonly scores: readonly Float64Array[];
  /** 0 or 1 by row. */
  readonly labels: Uint8Array;
  readonly slices: readonly SliceCodes[];
}

interface LabelledOptions {
  readonly source: DataSource;
  readonly label: string;
  readonly sliceColumns: readonly string[];
  readonly onProgress: (rowCount: number) => void;
}

/**
 * Scores a labelled file by several models in one pass and keeps what an evaluation needs: eight bytes a row and model, one for the
 * label, four a slice column. Rows themselves are not kept.
 *
 * @throws what scoreTable and labelValues throw; COLUMN_TYPE for a slice column of tensors
 */
export async function scoreLabelled(
  models: readonly LoadedModel[],
  { source, label, sliceColumns, onProgress }: LabelledOptions,
): Promise<LabelledScores> {
  const slices = sliceColumns.map((column) => createSliceCollector(column, source.path));
  const scores = models.map((): ArrayLike<number>[] => []);
  const labels: Uint8Array[] = [];
  for await (const scored of scoreTable({ models, source, columns: [label, ...sliceColumns], onProgress })) {
    labels.push(labelValues(scored.batch, label, source.path));
    for (const [index, values] of scored.scores.entries()) scores[index]!.push(values);
    for (const slice of slices) slice.add(scored.batch);
  }
  return {
    scores: scores.map((parts) => joinArrays(parts, Float64Array)),
    labels: joinArrays(labels, Uint8Array),
    slices: slices.map((slice) => slice.finish()),
  };
}
