/** Most numbers of one batch, 256 MB of doubles: rows that are images would otherwise fill the memory at 65 536 a batch. */
const BATCH_NUMBERS = 32 * 1024 * 1024;

/** Rows of a batch: as many as wanted, fewer when rows are wide, at least one. Shapes are of a row, one a column. */
export function batchCapacity(rowShapes: readonly (readonly number[])[], batchRows: number): number {
  const width = rowShapes.reduce((sum, shape) => sum + shape.reduce((product, size) => product * size, 1), 0);
  return Math.max(1, Math.min(batchRows, Math.floor(BATCH_NUMBERS / Math.max(width, 1))));
}
