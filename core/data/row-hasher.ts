import type { Column, ColumnBatch } from "../../contracts/data.ts";

/** 64 bits a row, in two halves. */
export interface RowHashes {
  readonly high: Uint32Array;
  readonly low: Uint32Array;
}

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

function finish(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/**
 * Hashes rows over the named columns, in that order. Equal rows hash equally whichever batch or file they stand in: 0 and -0
 * are the same, nulls are the same, and a word counts by its letters, not by its place in a dictionary. Of n different rows
 * two share a hash with probability about n^2 / 2^65. Not for adversaries: the hash has no key.
 *
 * Source: the mixing of MurmurHash3 (Appleby, public domain), two lanes.
 */
export function createRowHasher(columns: readonly string[]): (batch: ColumnBatch) => RowHashes {
  const words = columns.map(() => createWordHashes());
  return (batch) => {
    const high = new Uint32Array(batch.rowCount).fill(0x9747b28c);
    const low = new Uint32Array(batch.rowCount).fill(0x3c6ef372);
    const absorb = (row: number, first: number, second: number) => {
      const one = high[row]! ^ Math.imul(rotate(Math.imul(first, 0x239b961b), 15), 0xab0e9789);
      const stirred = Math.imul(rotate(one, 19) + low[row]!, 5) + 0x561ccd1b;
      high[row] = stirred;
      const two = low[row]! ^ Math.imul(rotate(Math.imul(second, 0xab0e9789), 17), 0x38b34ae5);
      low[row] = Math.imul(rotate(two, 13) + stirred, 5) + 0x0bcaa747;
    };
    columns.forEach((name, index) => {
      const column = batch.columns.get(name);
      if (column !== undefined) absorbColumn(column, batch.rowCount, absorb, words[index]!);
    });
    for (let row = 0; row < batch.rowCount; row++) {
      const one = finish(high[row]! + low[row]!);
      const two = finish(low[row]! + one);
      low[row] = two;
      high[row] = one + two;
    }
    return { high, low };
  };
}

type Absorb = (row: number, first: number, second: number) => void;

function absorbColumn(
  column: Column,
  rowCount: number,
  absorb: Absorb,
  words: (dictionary: readonly string[]) => Uint32Array,
) {
  if (column.kind === "text") {
    const hashes = words(column.dictionary);
    for (let row = 0; row < rowCount; row++) {
      const code = column.codes[row]!;
      if (code < 0) absorb(row, 0x7ff80000, 1);
      else absorb(row, hashes[2 * code]!, hashes[2 * code + 1]!);
    }
    return;
  }
  const width = column.kind === "tensor" ? column.rowShape.reduce((product, size) => product * size, 1) : 1;
  const value = new Float64Array(1);
  const halves = new Uint32Array(value.buffer);
  for (let row = 0; row < rowCount; row++) {
    for (let item = row * width; item < (row + 1) * width; item++) {
      const number = column.values[item]!;
      // Adding 0 turns -0 into 0; NaN has many bit patterns and becomes one.
      value[0] = Number.isNaN(number) ? NaN : number + 0;
      absorb(row, halves[0]!, halves[1]!);
    }
  }
}

/** Two hashes a word, made once a dictionary: batches share theirs while no new words come. */
function createWordHashes() {
  let known: readonly string[] | undefined;
  let hashes = new Uint32Array(0);
  return (dictionary: readonly string[]): Uint32Array => {
    if (dictionary === known) return hashes;
    known = dictionary;
    hashes = new Uint32Array(2 * dictionary.length);
    dictionary.forEach((word, code) => {
      let one = 0x811c9dc5 ^ word.length;
      let two = 0x01000193 + word.length;
      for (let at = 0; at < word.length; at++) {
        const letter = word.charCodeAt(at);
        one = Math.imul(one ^ letter, 0x01000193);
        two = Math.imul(rotate(two, 5) + letter, 0x85ebca6b);
      }
      hashes[2 * code] = finish(one);
      hashes[2 * code + 1] = finish(two);
    });
    return hashes;
  };
}
