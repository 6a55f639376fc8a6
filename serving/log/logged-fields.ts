import { createHmac } from "node:crypto";
import type { Column, Tensor } from "../../contracts/data.ts";
import type { LoggedFields } from "../../contracts/inference.ts";
import type { FieldRule, LogSettings } from "../../contracts/log-settings.ts";
import type { Feature, ModelSignature } from "../../contracts/signature.ts";
import type { ModelInput } from "../model-input.ts";

/** Keeps what an endpoint's settings let through of a request's columns, one record a row; null where they keep nothing. */
export type FieldKeeper = (
  settings: LogSettings | undefined,
  signature: ModelSignature,
  input: ModelInput,
) => readonly LoggedFields[] | null;

type Value = number | string | null;

/**
 * @param salt key of the hashes; whoever has it can try values out
 */
export function createFieldKeeper(salt: Uint8Array): FieldKeeper {
  const kept = (rule: FieldRule, column: string, value: Value): Value | undefined => {
    if (value === null || rule.keep === "allow") return value;
    if (rule.keep === "hash") {
      return createHmac("sha256", salt).update(`${column}\u0000${value}`).digest("hex").slice(0, 32);
    }
    // What is no number is in no range, and is not kept in place of one.
    if (rule.keep === "bucket" && typeof value === "number") return rule.edges.filter((edge) => value >= edge).length;
    return undefined;
  };
  return (settings, signature, input) => {
    if (!settings?.fields) return null;
    const rows: Record<string, Value>[] = Array.from({ length: input.rowCount }, () => ({}));
    signature.inputs.forEach(({ features }, inputPlace) =>
      features.forEach((feature, place) => {
        const rule = settings.fields?.[feature.column] ?? { keep: feature.kind === "number" ? "allow" : "drop" };
        if (rule.keep === "drop" || feature.kind === "tensor") return;
        const read = readerOf(feature, input, inputPlace, features.length, place);
        rows.forEach((row, index) => {
          const value = kept(rule, feature.column, read(index));
          if (value !== undefined) row[feature.column] = value;
        });
      }),
    );
    return rows;
  };
}

/** A feature's values by row: the raw column where the request had it, else what its tensor stands for. */
function readerOf(
  feature: Exclude<Feature, { kind: "tensor" }>,
  { columns, tensors }: ModelInput,
  inputPlace: number,
  width: number,
  place: number,
): (row: number) => Value {
  const column = columns?.get(feature.column);
  if (column) return (row) => rawValue(column, row);
  const tensor = tensors[inputPlace];
  return (row) => (tensor ? decoded(feature, tensor, row * width + place) : null);
}

function rawValue(column: Column, row: number): Value {
  if (column.kind === "text") return column.dictionary[column.codes[row] ?? -1] ?? null;
  const value = column.kind === "number" ? column.values[row] : undefined;
  return value === undefined || Number.isNaN(value) ? null : value;
}

function decoded(feature: Exclude<Feature, { kind: "tensor" }>, { datatype, data }: Tensor, index: number): Value {
  // Halves come as their bits; who needs such a column logged sends raw columns.
  const found = datatype === "FP16" || datatype === "BF16" ? Number.NaN : Number(data[index]);
  if (!Number.isFinite(found)) return null;
  if (feature.kind === "category") return feature.vocabulary[found] ?? null;
  const value = found * feature.deviation + feature.mean;
  // What single precision does not hold is no digit of the client's.
  return datatype === "FP32" ? Number(value.toPrecision(7)) : value;
}
