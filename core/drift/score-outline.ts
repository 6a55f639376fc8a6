import { type BaselineColumn, SCORE_COLUMN } from "../../contracts/drift.ts";

/** Single-precision numbers from 0 to 1 cut by their upper bits: cells of 0.05 % relative width, however small the scores are. */
const DROPPED_BITS = 12;
const CELL_COUNT = (0x3f80_0000 >>> DROPPED_BITS) + 1;

export interface ScoreOutline {
  /** Scores in [0, 1] in single precision; NaN is a row the model refused. */
  readonly add: (scores: Float64Array) => void;
  readonly freeze: () => BaselineColumn;
}

/**
 * The model's score as a profile column in ONE pass, because scoring the reference a second time for exact counts would
 * double the cost of a profile: a fine fixed grid is counted, and the bins' edges are lines of that grid. At most `maximumBins`
 * bins of about equal mass; a score that holds a bin's mass alone gets its own. Counting the same scores into the frozen column
 * with `createCounter` gives the same counts.
 */
export function createScoreOutline(maximumBins = 64): ScoreOutline {
  const cells = new Float64Array(CELL_COUNT);
  const float = new Float32Array(1);
  const bits = new Uint32Array(float.buffer);
  let nullCount = 0;
  return {
    add: (scores) => {
      for (const score of scores) {
        if (Number.isNaN(score)) nullCount += 1;
        else {
          // Not below 0: the bits of -0 are those of a large number. Cell c holds (line c - 1, line c], as bins do.
          float[0] = Math.min(1, Math.max(0, score)) || 0;
          cells[(bits[0]! + (1 << DROPPED_BITS) - 1) >>> DROPPED_BITS]! += 1;
        }
      }
    },
    freeze: () => {
      const lines = edgeCells(cells, maximumBins);
      const counts = Array.from({ length: lines.length + 1 }, () => 0);
      let bin = 0;
      for (const [cell, count] of cells.entries()) {
        while (bin < lines.length && cell > lines[bin]!) bin += 1;
        counts[bin]! += count;
      }
      return { kind: "number", column: SCORE_COLUMN, edges: lines.map(lineOf), counts, nullCount };
    },
  };
}

/** Cells after which the cumulative count reaches each quantile; both lines of a cell that spans two of them. */
function edgeCells(cells: Float64Array, maximumBins: number): number[] {
  const total = cells.reduce((sum, count) => sum + count, 0);
  const edges = new Set<number>();
  let cumulative = 0;
  let level = 1;
  for (const [cell, count] of cells.entries()) {
    cumulative += count;
    const first = level;
    if (count > 0) level = Math.min(maximumBins, Math.floor((cumulative / total) * maximumBins) + 1);
    if (level - first > 1 && cell > 0) edges.add(cell - 1);
    if (level > first) edges.add(cell);
  }
  return edges.size === 0 ? [0] : [...edges].sort((a, b) => a - b);
}

function lineOf(cell: number): number {
  return new Float32Array(new Uint32Array([cell << DROPPED_BITS]).buffer)[0]!;
}
