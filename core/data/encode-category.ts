import type { Column } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";
import type { Feature } from "../../contracts/signature.ts";

type CategoryFeature = Extract<Feature, { kind: "category" }>;

/** A vocabulary lives as long as its signature, so its index is built once for all batches. */
const indexes = new WeakMap<readonly string[], ReadonlyMap<string, number>>();

function vocabularyIndex(vocabulary: readonly string[]): ReadonlyMap<string, number> {
  let index = indexes.get(vocabulary);
  if (index === undefined) {
    // Backwards, so that of a repeated word the first place stands.
    index = new Map(vocabulary.map((word, at) => [word, at] as const).reverse());
    indexes.set(vocabulary, index);
  }
  return index;
}

/**
 * Writes each row's place in the vocabulary to `target[row * stride + offset]`. Numbers are looked up as JavaScript writes
 * them: weekday 3 is "3", true is "1". Text is looked up once a word, not once a row.
 * @throws UNKNOWN_CATEGORY, INPUT_INVALID (null) where the signature says refuse; COLUMN_TYPE for tensors
 */
export function encodeCategory(
  feature: CategoryFeature,
  column: Column,
  target: { readonly values: Float64Array; readonly stride: number; readonly offset: number },
  where: string,
): void {
  const { values, stride, offset } = target;
  const vocabulary = vocabularyIndex(feature.vocabulary);
  if (column.kind === "tensor") {
    throw new Failure("COLUMN_TYPE", {
      where,
      column: feature.column,
      found: `a tensor of ${column.rowShape.join(" x ")} a row`,
      allowed: "text or numbers (the feature is a category)",
    });
  }
  if (column.kind === "text") {
    // Words that no row uses may stand in the dictionary, so an unknown word is refused where a row uses it.
    const places = Int32Array.from(column.dictionary, (word) => placeOf(vocabulary, word, feature));
    for (let row = 0; row < column.codes.length; row++) {
      const code = column.codes[row]!;
      const place = code < 0 ? missingPlace(feature, row, where) : places[code]!;
      values[row * stride + offset] = place === REFUSED ? refuse(feature, column.dictionary[code]!, where) : place;
    }
    return;
  }
  const seen = new Map<number, number>();
  for (let row = 0; row < column.values.length; row++) {
    const value = column.values[row]!;
    let place = seen.get(value);
    if (place === undefined) {
      place = Number.isNaN(value) ? missingPlace(feature, row, where) : placeOf(vocabulary, String(value), feature);
      seen.set(value, place);
    }
    values[row * stride + offset] = place === REFUSED ? refuse(feature, String(value), where) : place;
  }
}

const REFUSED = -1;

function placeOf(vocabulary: ReadonlyMap<string, number>, word: string, feature: CategoryFeature): number {
  return vocabulary.get(word) ?? (feature.unknown === "refuse" ? REFUSED : feature.unknown);
}

function missingPlace(feature: CategoryFeature, row: number, where: string): number {
  if (feature.missing === "refuse") throw missingValue(feature, row, where);
  return feature.missing;
}

function refuse(feature: CategoryFeature, value: string, where: string): never {
  throw new Failure("UNKNOWN_CATEGORY", { where, column: feature.column, value: value.slice(0, 100) });
}

/** The failure of a null that the signature says to refuse. */
export function missingValue(feature: Feature, row: number, where: string): Failure {
  return new Failure("INPUT_INVALID", {
    where,
    problems: `column "${feature.column}", row ${row}: no value, and the signature says to refuse it; fill it in, or give the feature a "missing" value at training`,
  });
}
