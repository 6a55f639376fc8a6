import type { ColumnBatch, ColumnDescription, ColumnSummary } from "../../contracts/data.ts";
import { createRowHasher } from "./row-hasher.ts";
import { createRowSampler, type RowSample, type Vocabulary } from "./row-sampler.ts";
import { createRowSet, type RowSet } from "./row-set.ts";
import { summarizeColumns } from "./summarize-columns.ts";

/** What the checks know of a dataset: counts and summaries, no rows. */
export interface DatasetFacts {
  /** `training` or `evaluation`. */
  readonly name: string;
  readonly rowCount: number;
  readonly columns: readonly ColumnSummary[];
  /** Null when there is no label to count. */
  readonly labels: LabelCounts | null;
  /** Rows the share rests on, rows among them that repeat an earlier one, and their share of all rows. */
  readonly repeats: { readonly rowCount: number; readonly repeatedCount: number; readonly share: number };
}

interface LabelCounts {
  readonly negativeCount: number;
  readonly positiveCount: number;
  readonly nullCount: number;
  /** Neither null nor 0 nor 1; all rows where the label is text. */
  readonly otherCount: number;
}

/** Rows of the evaluation data that were looked for in the training data, and found. */
export interface OverlapFacts {
  readonly askedCount: number;
  readonly foundCount: number;
}

export interface DatasetProfile {
  readonly facts: DatasetFacts;
  readonly rows: RowSet;
  readonly overlap: OverlapFacts | null;
  /** Null without a label. */
  readonly sample: RowSample | null;
  readonly vocabulary: Vocabulary;
}

export interface ProfileOptions {
  readonly name: string;
  readonly columns: readonly ColumnDescription[];
  readonly label: string | null;
  /** Columns to try as predictors of the label. */
  readonly features: readonly string[];
  /** The training data's profile, to look this dataset's rows up in. */
  readonly training?: DatasetProfile;
}

export interface DatasetProfiler {
  readonly add: (batch: ColumnBatch) => void;
  readonly finish: () => DatasetProfile;
}

/** Gathers everything the checks need of a dataset in one pass over its batches, in bounded memory. */
export function createDatasetProfiler({ name, columns, label, features, training }: ProfileOptions): DatasetProfiler {
  const summaries = summarizeColumns(columns);
  // By name, so that two files with their columns in another order still have rows in common.
  const hash = createRowHasher(columns.map((column) => column.name).sort());
  const rows = createRowSet();
  const vocabulary = training?.vocabulary ?? new Map<string, Map<string, number>>();
  const sampler = label === null ? null : createRowSampler(features, label, vocabulary);
  const labels = label === null ? null : createLabelCounts(label);
  let rowCount = 0;
  let overlap: OverlapFacts | null = training === undefined ? null : { askedCount: 0, foundCount: 0 };
  return {
    add(batch) {
      rowCount += batch.rowCount;
      summaries.add(batch);
      labels?.add(batch);
      sampler?.add(batch);
      const hashes = hash(batch);
      rows.add(hashes);
      if (training !== undefined && overlap !== null) {
        const { askedCount, foundCount } = training.rows.count(hashes);
        overlap = { askedCount: overlap.askedCount + askedCount, foundCount: overlap.foundCount + foundCount };
      }
    },
    finish() {
      const { rowCount: countedRows, distinctCount, share } = rows.facts();
      const repeats = { rowCount: countedRows, repeatedCount: countedRows - distinctCount, share };
      const facts = { name, rowCount, columns: summaries.finish(), labels: labels?.finish() ?? null, repeats };
      return { facts, rows, overlap, sample: sampler?.finish() ?? null, vocabulary };
    },
  };
}

function createLabelCounts(label: string) {
  const counts = { negativeCount: 0, positiveCount: 0, nullCount: 0, otherCount: 0 };
  return {
    add(batch: ColumnBatch) {
      const column = batch.columns.get(label);
      if (column?.kind !== "number") {
        counts.otherCount += batch.rowCount;
        return;
      }
      for (const value of column.values) {
        if (value === 0) counts.negativeCount++;
        else if (value === 1) counts.positiveCount++;
        else if (Number.isNaN(value)) counts.nullCount++;
        else counts.otherCount++;
      }
    },
    finish: (): LabelCounts => counts,
  };
}
