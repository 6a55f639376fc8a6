import type { RowHashes } from "./row-hasher.ts";

/** Rows seen, by hash, with how often. */
export interface RowSet {
  readonly add: (rows: RowHashes) => void;
  /** Of these rows, how many the set can answer for, and how many of them it holds. */
  readonly count: (rows: RowHashes) => { readonly askedCount: number; readonly foundCount: number };
  /** Rows the counts rest on, different rows among them, and the share of all rows that is: 1, 1/2, 1/4, ... */
  readonly facts: () => { readonly rowCount: number; readonly distinctCount: number; readonly share: number };
}

/** 16 bytes a slot, two to eight slots a row: 64 MB at most. */
const MOST_ROWS = 2 ** 21;

/**
 * A set of rows in bounded memory. It is exact for up to `mostRows` different rows; beyond, it keeps only rows whose hash
 * starts with a zero bit, then two, and so on. A row's copies share its hash and so stay or go together, which keeps the
 * shares of repeated and of common rows unbiased.
 *
 * Source: Gibbons (2001), distinct sampling.
 */
export function createRowSet(mostRows: number = MOST_ROWS): RowSet {
  let table = createTable(1024);
  let level = 0;
  const inside = (high: number) => level === 0 || high >>> (32 - level) === 0;
  const rebuild = (slotCount: number) => {
    const old = table;
    table = createTable(slotCount);
    const { slots } = old;
    for (let slot = 0; slot < slots.length; slot += SLOT_WORDS) {
      const count = slots[slot + COUNT]!;
      if (count > 0 && inside(slots[slot + HIGH]!)) insert(table, slots[slot + HIGH]!, slots[slot + LOW]!, count);
    }
  };
  return {
    add({ high, low }) {
      for (let row = 0; row < high.length; row++) {
        if (!inside(high[row]!)) continue;
        insert(table, high[row]!, low[row]!, 1);
        if (table.distinctCount > mostRows) {
          level++;
          rebuild(table.slotCount);
        } else if (table.distinctCount * 2 > table.slotCount) {
          rebuild(Math.min(table.slotCount * 4, roundUp(mostRows * 2)));
        }
      }
    },
    count({ high, low }) {
      let askedCount = 0;
      let foundCount = 0;
      for (let row = 0; row < high.length; row++) {
        if (!inside(high[row]!)) continue;
        askedCount++;
        if (table.slots[slotOf(table, high[row]!, low[row]!) + COUNT]! > 0) foundCount++;
      }
      return { askedCount, foundCount };
    },
    facts: () => ({ rowCount: table.rowCount, distinctCount: table.distinctCount, share: 2 ** -level }),
  };
}

/** Open addressing; a slot with count 0 is free. Its words lie together: a look-up costs one cache miss, not three. */
interface Table {
  readonly slots: Uint32Array;
  readonly slotCount: number;
  rowCount: number;
  distinctCount: number;
}

const SLOT_WORDS = 4;
const HIGH = 0;
const LOW = 1;
const COUNT = 2;

const createTable = (slotCount: number): Table => ({
  slots: new Uint32Array(slotCount * SLOT_WORDS),
  slotCount,
  rowCount: 0,
  distinctCount: 0,
});

const roundUp = (count: number): number => 2 ** Math.ceil(Math.log2(Math.max(count, 1024)));

/** Word index of the row's slot, or of the free one where it would go. */
function slotOf({ slots }: Table, high: number, low: number): number {
  const mask = slots.length - 1;
  // From the low half: the high half of the rows that stay has ever more leading zeros.
  let slot = (low * SLOT_WORDS) & mask;
  while (slots[slot + COUNT]! > 0 && (slots[slot + LOW] !== low || slots[slot + HIGH] !== high)) {
    slot = (slot + SLOT_WORDS) & mask;
  }
  return slot;
}

function insert(table: Table, high: number, low: number, count: number): void {
  const { slots } = table;
  const slot = slotOf(table, high, low);
  if (slots[slot + COUNT] === 0) {
    slots[slot + HIGH] = high;
    slots[slot + LOW] = low;
    table.distinctCount++;
  }
  slots[slot + COUNT] = slots[slot + COUNT]! + count;
  table.rowCount += count;
}
