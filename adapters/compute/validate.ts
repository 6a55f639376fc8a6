import type { DataChecks, DataSource, ValidationReport } from "../../contracts/data.ts";
import { createDatasetProfiler, type DatasetProfile } from "../../core/data/dataset-profile.ts";
import { judgeData } from "../../core/data/judge-data.ts";
import { measureLabelLeaks } from "../../core/data/label-leaks.ts";
import { describeTable } from "../tables/describe-table.ts";
import { readBatches } from "../tables/read-batches.ts";
import type { Job, JobContext } from "./job.ts";

export interface ValidateInput {
  readonly training: DataSource;
  /** Without it, what compares two datasets is left out. */
  readonly evaluation: DataSource | null;
  readonly label: string | null;
  readonly time: string | null;
  readonly checks: DataChecks;
}

/** Reads each dataset once and judges it. A failed check is a verdict, not a failure of the job. */
export const validate: Job<ValidateInput, ValidationReport> = async (input, context) => {
  const training = await profile("training", input.training, input, context, [
    0,
    input.evaluation === null ? 0.9 : 0.6,
  ]);
  const evaluation =
    input.evaluation === null
      ? null
      : await profile("evaluation", input.evaluation, input, context, [0.6, 0.9], training);
  context.progress(0.9, "looking for label leakage");
  const report = judgeData(
    {
      training: training.facts,
      evaluation: evaluation?.facts ?? null,
      label: input.label,
      time: input.time,
      overlap: evaluation?.overlap ?? null,
      leaks: measureLabelLeaks(training, evaluation),
    },
    input.checks,
  );
  context.progress(1, `${report.executedCount} checks`);
  return report;
};

async function profile(
  name: string,
  source: DataSource,
  { label, time }: ValidateInput,
  { progress }: JobContext,
  [from, to]: readonly [from: number, to: number],
  training?: DatasetProfile,
): Promise<DatasetProfile> {
  const columns = await describeTable(source);
  const features = columns
    .filter((column) => column.type !== "tensor" && column.name !== label && column.name !== time)
    .map((column) => column.name);
  const options = { name, columns, label, features };
  const profiler = createDatasetProfiler(training === undefined ? options : { ...options, training });
  let rowCount = 0;
  for await (const batch of readBatches(source)) {
    profiler.add(batch);
    rowCount += batch.rowCount;
    // How many rows come is not known beforehand: the share stands until the dataset is through.
    progress(from, `${name}: ${rowCount} rows`);
  }
  progress(to, `${name}: ${rowCount} rows`);
  return profiler.finish();
}
