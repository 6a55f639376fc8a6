import type { ColumnBatch, Tensor } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";
import type { Feature, ModelSignature, TensorInput } from "../../contracts/signature.ts";
import { encodeCategory, missingValue } from "./encode-category.ts";
import { requireColumn } from "./require-column.ts";
import { storeNumbers } from "./store-numbers.ts";

/** Raw columns of some rows on their way into a model. */
export interface EncodeOptions {
  readonly signature: ModelSignature;
  readonly batch: ColumnBatch;
  /** Begins every failure's message: the file, the endpoint, the stage. */
  readonly where: string;
}

/**
 * The one feature mapping: columns of raw values become the model's input tensors, one per input of the signature in its
 * order, each with the rows in the first axis. Training export, optimisation, evaluation, the gateway, drift checks and batch
 * scoring all call this, so a difference between training and serving cannot be written. Other columns are ignored; an empty
 * batch gives tensors of no rows.
 *
 * - `number`: (value - mean) / deviation, in double precision before the cast; booleans are 0 and 1
 * - `category`: the value's place in the vocabulary; as a BYTES input, the word that stands there
 * - `tensor`: the column's numbers unchanged, NaN and infinities included where the datatype can hold them
 *
 * @throws COLUMN_MISSING, COLUMN_TYPE for columns; UNKNOWN_CATEGORY and INPUT_INVALID for values that the signature or the
 * datatype refuses. Nothing is cut, wrapped or rounded to fit a whole-number datatype.
 */
export function encodeFeatures({ signature, batch, where }: EncodeOptions): Tensor[] {
  return signature.inputs.map((input) => encodeInput(input, batch, where));
}

/** Numbers of one feature in a row: its share of the last axis, and the axes before it. */
interface Part {
  readonly feature: Feature;
  readonly rowShape: readonly number[];
}

function encodeInput(input: TensorInput, batch: ColumnBatch, where: string): Tensor {
  const parts = input.features.map((feature): Part => {
    const column = requireColumn(batch, feature.column, where);
    return { feature, rowShape: feature.kind === "tensor" && column.kind === "tensor" ? column.rowShape : [1] };
  });
  const rowShape = stackShape(input, parts, where);
  const shape = [batch.rowCount, ...fitShape(input, rowShape, where)];
  const width = rowShape.at(-1) ?? 1;
  const blockCount = sizeOf(rowShape) / Math.max(width, 1);
  const values = new Float64Array(batch.rowCount * sizeOf(rowShape));
  let offset = 0;
  for (const { feature, rowShape: partShape } of parts) {
    if (feature.kind === "tensor") copyTensor(feature.column, batch, { values, width, offset, blockCount }, where);
    else if (feature.kind === "number") encodeNumber(feature, batch, { values, stride: width, offset }, where);
    else encodeCategory(feature, requireColumn(batch, feature.column, where), { values, stride: width, offset }, where);
    offset += partShape.at(-1) ?? 1;
  }
  return {
    name: input.name,
    datatype: input.datatype,
    shape,
    data: cast(input, parts, values, sizeOf(rowShape), where),
  };
}

function encodeNumber(
  feature: Extract<Feature, { kind: "number" }>,
  batch: ColumnBatch,
  target: { readonly values: Float64Array; readonly stride: number; readonly offset: number },
  where: string,
): void {
  const column = requireColumn(batch, feature.column, where);
  if (column.kind !== "number") {
    throw new Failure("COLUMN_TYPE", {
      where,
      column: feature.column,
      found: column.kind === "text" ? "text" : `a tensor of ${column.rowShape.join(" x ")} a row`,
      allowed: "numbers, booleans or timestamps (the feature is a number)",
    });
  }
  const { mean, deviation, missing } = feature;
  const { values, stride, offset } = target;
  for (let row = 0; row < batch.rowCount; row++) {
    let value = column.values[row]!;
    if (Number.isNaN(value)) {
      if (missing === "refuse") throw missingValue(feature, row, where);
      value = missing;
    }
    values[row * stride + offset] = (value - mean) / deviation;
  }
}

function copyTensor(
  name: string,
  batch: ColumnBatch,
  target: {
    readonly values: Float64Array;
    readonly width: number;
    readonly offset: number;
    readonly blockCount: number;
  },
  where: string,
): void {
  const column = requireColumn(batch, name, where);
  // A column of plain numbers is a tensor of one number a row; its NaN is a null, which no tensor holds.
  if (column.kind === "text" || (column.kind === "number" && column.values.includes(NaN))) {
    const found = column.kind === "text" ? "text" : "numbers with missing values";
    throw new Failure("COLUMN_TYPE", { where, column: name, found, allowed: "nested lists of numbers" });
  }
  const { values, width, offset, blockCount } = target;
  const partWidth = column.kind === "tensor" ? (column.rowShape.at(-1) ?? 1) : 1;
  if (partWidth === width) {
    values.set(column.values);
    return;
  }
  for (let block = 0; block < batch.rowCount * blockCount; block++) {
    values.set(column.values.subarray(block * partWidth, (block + 1) * partWidth), block * width + offset);
  }
}

/** Shape of a row of the stacked features: equal axes but the last, which adds up. */
function stackShape(input: TensorInput, parts: readonly Part[], where: string): readonly number[] {
  const lead = parts[0]?.rowShape.slice(0, -1) ?? [];
  let width = 0;
  for (const { feature, rowShape } of parts) {
    if (rowShape.slice(0, -1).join() !== lead.join()) {
      throw new Failure("COLUMN_TYPE", {
        where,
        column: feature.column,
        found: `of ${rowShape.join(" x ")} numbers a row`,
        allowed: `the other features' ${[...lead, "any"].join(" x ")} (input "${input.name}" stacks them)`,
      });
    }
    width += rowShape.at(-1) ?? 1;
  }
  return [...lead, width];
}

/** The input's declared row shape with its free axes filled in; a single number a row also fits [-1] and [-1, 1, 1]. */
function fitShape(input: TensorInput, rowShape: readonly number[], where: string): readonly number[] {
  const declared = input.shape.slice(1);
  const same =
    declared.length === rowShape.length && declared.every((size, axis) => size < 0 || size === rowShape[axis]);
  if (same) return rowShape;
  if (sizeOf(rowShape) === 1 && declared.every((size) => size < 0 || size === 1)) return declared.map(() => 1);
  throw new Failure("COLUMN_TYPE", {
    where,
    column: input.features.map((feature) => feature.column).join('", "'),
    found: `of ${rowShape.join(" x ")} numbers a row`,
    allowed: `the shape [${input.shape.join(", ")}] of input "${input.name}"`,
  });
}

function cast(input: TensorInput, parts: readonly Part[], values: Float64Array, rowSize: number, where: string) {
  const featureAt = (index: number): Feature | undefined => {
    const width = parts.reduce((sum, part) => sum + (part.rowShape.at(-1) ?? 1), 0);
    let end = 0;
    return parts.find(({ rowShape }) => index % width < (end += rowShape.at(-1) ?? 1))?.feature;
  };
  if (input.datatype === "BYTES") {
    if (!input.features.every((feature) => feature.kind === "category")) {
      const problems = `input "${input.name}" is BYTES, which only categories can fill; declare a numeric datatype`;
      throw new Failure("INPUT_INVALID", { where, problems });
    }
    return Array.from(values, (place, index) => {
      const feature = featureAt(index);
      return feature?.kind === "category" ? (feature.vocabulary[place] ?? "") : "";
    });
  }
  const passNonFinite = input.features.every((feature) => feature.kind === "tensor");
  return storeNumbers(values, input.datatype, passNonFinite, (index, value, allowed) => {
    const place = `column "${featureAt(index)?.column ?? ""}", row ${Math.floor(index / rowSize)}`;
    const problems = `${place}: ${value} does not fit input "${input.name}"; allowed: ${allowed}`;
    throw new Failure("INPUT_INVALID", { where, problems });
  });
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
