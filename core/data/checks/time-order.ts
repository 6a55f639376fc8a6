import type { DataCheck } from "./data-check.ts";

/** Judged of two datasets with a time column; windows are half-open, so that a shared instant is already an overlap. */
export const timeOrderCheck: DataCheck = {
  name: "time-order",
  purpose: "Evaluation data is not later than training data: the model would be examined on the past it knows.",
  judge({ training, evaluation, time }) {
    if (evaluation === null || time === null) return [];
    const allowed = "evaluation begins after training ends";
    const place = { dataset: "both", column: time, allowed };
    const end = training.columns.find(({ name }) => name === time)?.maximum ?? null;
    const start = evaluation.columns.find(({ name }) => name === time)?.minimum ?? null;
    if (end === null || start === null) {
      const message = `"${time}" has no values in ${end === null ? "training" : "evaluation"}; check the time column`;
      return [{ ...place, verdict: "inconclusive", observed: null, message }];
    }
    const aheadMs = start - end;
    const message =
      aheadMs > 0
        ? `evaluation begins ${duration(aheadMs)} after training ends by "${time}"`
        : `evaluation begins ${duration(-aheadMs)} before training ends by "${time}", it must begin after; cut the windows apart`;
    return [{ ...place, verdict: aheadMs > 0 ? "pass" : "fail", observed: aheadMs, message }];
  },
};

function duration(milliseconds: number): string {
  const units = [
    [86_400_000, "days"],
    [3_600_000, "hours"],
    [60_000, "minutes"],
    [1000, "seconds"],
  ] as const;
  const [size, unit] = units.find(([size]) => milliseconds >= 2 * size) ?? [1, "ms"];
  return `${Number((milliseconds / size).toPrecision(3))} ${unit}`;
}
