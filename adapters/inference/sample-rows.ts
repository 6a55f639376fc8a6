import type { ColumnBatch, DataSource } from "../../contracts/data.ts";
import { readBatches } from "../tables/read-batches.ts";
import { takeRows } from "./take-rows.ts";

/** About `rowCount` rows spread evenly over a file; see `sampleBatches`. */
export async function sampleRows(
  source: DataSource,
  columns: readonly string[],
  rowCount: number,
): Promise<ColumnBatch[]> {
  return sampleBatches(readBatches(source, { columns }), rowCount);
}

/**
 * About `rowCount` rows spread evenly over batches whose number is not known beforehand, in their order; all rows when
 * there are fewer, never more than asked for.
 *
 * Every n-th row is kept and n doubles whenever twice too many are held, so memory is bounded, one pass suffices and no
 * randomness is needed. A file sorted by time is covered from end to end, which its first rows would not do.
 */
export async function sampleBatches(batches: AsyncIterable<ColumnBatch>, rowCount: number): Promise<ColumnBatch[]> {
  let step = 1;
  let seen = 0;
  let kept: { readonly batch: ColumnBatch; readonly places: readonly number[] }[] = [];
  for await (const batch of batches) {
    const rows: number[] = [];
    for (let row = (step - (seen % step)) % step; row < batch.rowCount; row += step) rows.push(row);
    const first = seen;
    if (rows.length > 0) kept.push({ batch: takeRows(batch, rows), places: rows.map((row) => first + row) });
    seen += batch.rowCount;
    while (countRows(kept) > 2 * rowCount) {
      step *= 2;
      kept = kept.map((part) => keep(part, (place) => place % step === 0));
    }
  }
  const surplus = countRows(kept) / rowCount;
  if (surplus > 1) {
    let index = 0;
    kept = kept.map((part) =>
      keep(part, () => {
        const wanted = Math.floor((index + 1) / surplus) > Math.floor(index / surplus);
        index++;
        return wanted;
      }),
    );
  }
  return kept.map(({ batch }) => batch).filter((batch) => batch.rowCount > 0);
}

interface Part {
  readonly batch: ColumnBatch;
  /** Row numbers in the file. */
  readonly places: readonly number[];
}

const countRows = (parts: readonly Part[]): number => parts.reduce((sum, part) => sum + part.places.length, 0);

function keep({ batch, places }: Part, wanted: (place: number) => boolean): Part {
  const rows = places.flatMap((place, row) => (wanted(place) ? [row] : []));
  return { batch: takeRows(batch, rows), places: rows.map((row) => places[row]!) };
}
