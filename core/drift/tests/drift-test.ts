import type { BaselineColumn } from "../../../contracts/drift.ts";
import type { DriftTestName } from "../../../contracts/names.ts";

/** The same bins counted in the reference and in the window. */
export interface Comparison {
  readonly reference: BaselineColumn;
  readonly current: BaselineColumn;
}

/**
 * A drift test measures one effect and bounds it; it raises no alarm of its own, `judgeDrift` does for all of them together.
 * It describes itself here, so that shared code never asks for its name.
 */
export interface DriftTest {
  readonly name: DriftTestName;
  /** What the effect is, with its unit. */
  readonly effect: string;
  /** How the bounds hold. */
  readonly bounds: string;
  readonly unit: string;
  readonly range: readonly [lowest: number, highest: number];
  /** Kinds of columns it reads. */
  readonly kinds: readonly BaselineColumn["kind"][];
  /** Effect below which nobody should care. */
  readonly defaultMargin: number;
  /** Rows of a column it looks at; without any on either side there is no effect to speak of. */
  readonly rowCount: (column: BaselineColumn) => number;
  /** The effect as counted. Both sides have rows. */
  readonly measure: (counts: Comparison) => number;
  /** Bounds that hold the true effect with probability at least 1 - `alpha`, within `range`. Both sides have rows. */
  readonly interval: (counts: Comparison, alpha: number) => readonly [low: number, high: number];
  /** Smallest effect whose lower bound would exceed the margin with as many rows; above `range` when none would. */
  readonly detectable: (counts: Comparison, margin: number, alpha: number) => number;
  /** Further facts of the statistic for the record: cells, floors. */
  readonly facts: (counts: Comparison) => Readonly<Record<string, string | number>>;
}
