import type { Column, ColumnBatch, ColumnDescription } from "../../contracts/data.ts";
import type { BaselineColumn } from "../../contracts/drift.ts";
import { Failure } from "../../contracts/failures.ts";
import type { ModelSignature } from "../../contracts/signature.ts";
import { signatureFeatures } from "../data/feature-columns.ts";
import { requireColumn } from "../data/require-column.ts";

export interface WatchedColumn {
  readonly column: string;
  readonly kind: BaselineColumn["kind"];
}

/**
 * What a profile watches. A feature counts as what the model takes it for (weekday 1 to 7 may be a category), any other column
 * as what the file says. Without `named` columns: every feature of the signature; without a signature: every column of numbers, booleans or
 * text. Tensors are not watched, nor is time unless named: it always moves on.
 * @throws COLUMN_MISSING, COLUMN_TYPE for a named column
 */
export function watchedColumns(options: {
  readonly signature: ModelSignature | null;
  readonly described: readonly ColumnDescription[];
  readonly named: readonly string[] | null;
  readonly where: string;
}): WatchedColumn[] {
  const { signature, described, named, where } = options;
  const features = new Map((signature ? signatureFeatures(signature) : []).map(({ column, kind }) => [column, kind]));
  const types = new Map(described.map(({ name, type }) => [name, type]));
  if (named === null) {
    const candidates = signature
      ? [...features.keys()]
      : described.filter(({ type }) => type !== "timestamp").map(({ name }) => name);
    return candidates.flatMap((column) => {
      const kind = kindOf(features.get(column), types.get(column));
      return kind === null ? [] : [{ column, kind }];
    });
  }
  return [...new Set(named)].map((column) => {
    const type = types.get(column);
    if (type === undefined) {
      throw new Failure("COLUMN_MISSING", { where, column, found: [...types.keys()].join(", ") || "no columns" });
    }
    const kind = kindOf(features.get(column), type);
    if (kind === null) {
      throw new Failure("COLUMN_TYPE", {
        where,
        column,
        found: "a tensor",
        allowed: "numbers, booleans, timestamps or text",
      });
    }
    return { column, kind };
  });
}

function kindOf(
  feature: "number" | "category" | "tensor" | undefined,
  type: ColumnDescription["type"] | undefined,
): BaselineColumn["kind"] | null {
  if (feature === "tensor" || (feature === undefined && type === "tensor")) return null;
  if (feature !== undefined) return feature;
  return type === "text" ? "category" : "number";
}

/**
 * A watched column's values in a batch. A category may come as numbers, which are then read as JavaScript writes them, as the
 * feature mapping reads them.
 * @throws COLUMN_MISSING; COLUMN_TYPE when it cannot be watched as this kind
 */
export function watchedValues(
  batch: ColumnBatch,
  { column, kind }: WatchedColumn,
  where: string,
): Exclude<Column, { kind: "tensor" }> {
  const found = requireColumn(batch, column, where);
  if (found.kind === "tensor" || (kind === "number" && found.kind === "text")) {
    const allowed = kind === "number" ? "numbers, as in the profile" : "text or numbers, as in the profile";
    throw new Failure("COLUMN_TYPE", { where, column, found: found.kind === "tensor" ? "a tensor" : "text", allowed });
  }
  return found;
}
