import type { ColumnSummary } from "../../../contracts/data.ts";
import { datasetsOf, type DataCheck } from "./data-check.ts";

/** Only columns named in the settings are judged; naming a column that has no numbers fails. */
export const rangesCheck: DataCheck = {
  name: "ranges",
  purpose: "Numbers lie where they cannot: a broken sensor, another unit, a placeholder for null.",
  judge: (facts, { ranges }) =>
    Object.entries(ranges).flatMap(([column, [least, greatest]]) =>
      datasetsOf(facts).map((dataset) => {
        const outside = outsideValue(
          dataset.columns.find(({ name }) => name === column),
          least,
          greatest,
        );
        const allowed = `${least} to ${greatest}`;
        const message =
          outside === null
            ? `${dataset.name}: "${column}" lies within ${allowed}`
            : `${dataset.name}: "${column}" ${outside.found}, ${allowed} allowed; mend the source, or change checks.ranges.${column}`;
        const verdict = outside === null ? ("pass" as const) : ("fail" as const);
        return { dataset: dataset.name, column, verdict, observed: outside?.value ?? null, allowed, message };
      }),
    ),
};

function outsideValue(summary: ColumnSummary | undefined, least: number, greatest: number) {
  if (summary === undefined) return { value: null, found: "is missing" };
  const { type, minimum, maximum } = summary;
  if (type === "text") return { value: null, found: "is text" };
  if (minimum === null || maximum === null) return { value: null, found: "has no values" };
  if (minimum < least) return { value: minimum, found: `goes down to ${minimum}` };
  if (maximum > greatest) return { value: maximum, found: `goes up to ${maximum}` };
  return null;
}
