import { addCounts, type Tally } from "./batch.ts";
import type { Overflow } from "./journal-line.ts";

/** Requests for which the spool has no room: their rows are dropped, their counts are kept together and written now and then. */
export interface OverflowCounts {
  readonly add: (tally: Tally, droppedRows: number) => void;
  readonly flush: () => void;
}

/** How long counts are gathered: what a killed gateway may lose of them while Postgres is away and the spool is full. */
const GATHER_MS = 100;

export function createOverflow(write: (overflow: Overflow) => void): OverflowCounts {
  let kept: Overflow = { counts: [], units: [], droppedRows: 0 };
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (kept.counts.length === 0) return;
    write(kept);
    kept = { counts: [], units: [], droppedRows: 0 };
  };
  return {
    add: ({ counts, units }, droppedRows) => {
      kept = {
        counts: addCounts([...kept.counts, ...counts]),
        units: [...kept.units, ...units],
        droppedRows: kept.droppedRows + droppedRows,
      };
      timer ??= setTimeout(flush, GATHER_MS);
    },
    flush,
  };
}
