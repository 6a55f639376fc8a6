import type { ColumnBatch } from "../../contracts/data.ts";
import { createRandom } from "../../core/stats/random.ts";
import { takeRows } from "./take-rows.ts";

interface Part {
  readonly batch: ColumnBatch;
  /** One random number a row. */
  readonly keys: readonly number[];
}

/**
 * `rowCount` rows drawn at random without replacement, each row as likely as any other, in their order; all rows when there are
 * fewer. The same rows for the same seed and data.
 *
 * Every row is given a random number and those with the smallest are kept: one pass, and at most twice the rows in memory.
 */
export async function drawRows(
  batches: AsyncIterable<ColumnBatch>,
  { rowCount, seed }: { readonly rowCount: number; readonly seed: number },
): Promise<ColumnBatch[]> {
  const random = createRandom(seed);
  let parts: Part[] = [];
  let bound = Number.POSITIVE_INFINITY;
  const tighten = () => {
    const keys = parts.flatMap((part) => part.keys);
    if (keys.length <= rowCount) return;
    bound = keys.toSorted((one, other) => one - other)[rowCount]!;
    parts = parts.map(({ batch, keys: own }) => select(batch, own, bound)).filter(({ keys: own }) => own.length > 0);
  };
  let held = 0;
  for await (const batch of batches) {
    const part = select(
      batch,
      Float64Array.from({ length: batch.rowCount }, () => random.uniform()),
      bound,
    );
    if (part.keys.length === 0) continue;
    parts.push(part);
    held += part.keys.length;
    if (held <= 2 * rowCount) continue;
    tighten();
    held = rowCount;
  }
  tighten();
  return parts.map(({ batch }) => batch);
}

/** The rows whose number is below the bound. */
function select(batch: ColumnBatch, keys: ArrayLike<number>, bound: number): Part {
  const rows: number[] = [];
  for (let row = 0; row < keys.length; row++) if (keys[row]! < bound) rows.push(row);
  return { batch: takeRows(batch, rows), keys: rows.map((row) => keys[row]!) };
}
