import type { Tensor } from "../../contracts/data.ts";
import type { Saturation } from "../../contracts/optimization.ts";
import type { OnnxModel } from "../onnx/model.ts";
import { integerProducts, type IntegerProducts } from "./integer-layers.ts";
import { roundHalfToEven } from "../onnx/half.ts";

/** An activation's largest 8-bit integer, whether it is stored as uint8 or shifted there from int8 by the kernel. */
const LARGEST_ACTIVATION = 255;
const LARGEST_SUM = 32_767;
/** Sums looked at of one layer, spread evenly over its rows and outputs. */
const MAXIMUM_PAIRS = 2 ** 21;
const MAXIMUM_ROWS = 256;

/**
 * What a processor without VNNI could get wrong: it adds the products of two neighbouring weights and activations in 16 bits, which
 * saturate. Counted over every pair of neighbouring weights of the integer layers, for the largest activations: a pair that can overflow
 * does so only when both activations are large. A model whose activations are 8 bits and whose weights keep within 7 has none.
 */
export function measureSaturation(model: OnnxModel): Omit<Saturation, "onData"> {
  let pairCount = 0;
  let overflowCount = 0;
  let largestSum = 0;
  for (const { weights, depth } of integerProducts(model)) {
    for (let row = 0; row < weights.length; row += depth) {
      for (let k = 0; k < depth; k += 2) {
        const one = weights[row + k]!;
        const other = k + 1 < depth ? weights[row + k + 1]! : 0;
        // Weights of opposite signs cancel at worst not at all: one activation may be 0.
        const sum = one * other > 0 ? Math.abs(one + other) : Math.max(Math.abs(one), Math.abs(other));
        pairCount++;
        if (sum * LARGEST_ACTIVATION > LARGEST_SUM) overflowCount++;
        largestSum = Math.max(largestSum, sum * LARGEST_ACTIVATION);
      }
    }
  }
  return { pairCount, overflowShare: pairCount === 0 ? 0 : overflowCount / pairCount, largestSum };
}

/**
 * How many of these sums do pass 16 bits on rows of data: the same pairs with the activations the model had there. Of a layer at most two
 * million sums are looked at, spread evenly over its rows and outputs.
 *
 * @param activations by name, as the model gave them on the rows
 */
export function measureSaturationOnData(
  model: OnnxModel,
  activations: ReadonlyMap<string, Tensor>,
): NonNullable<Saturation["onData"]> {
  let pairCount = 0;
  let overflowCount = 0;
  let worst: { layer: string; overflowShare: number } | null = null;
  for (const products of integerProducts(model)) {
    const tensor = activations.get(products.activation);
    if (tensor === undefined) continue;
    const found = countOverflows(products, tensor);
    pairCount += found.pairCount;
    overflowCount += found.overflowCount;
    const overflowShare = found.pairCount === 0 ? 0 : found.overflowCount / found.pairCount;
    if (overflowShare > (worst?.overflowShare ?? 0)) worst = { layer: products.layer, overflowShare };
  }
  return { pairCount, overflowShare: pairCount === 0 ? 0 : overflowCount / pairCount, worst };
}

function countOverflows({ weights, depth, locate }: IntegerProducts, activation: Tensor) {
  const values = asUint8(activation.data);
  const { bases, offsets } = locate(activation.shape);
  const outputs = depth === 0 ? 0 : weights.length / depth;
  const rows = every(bases.length, MAXIMUM_ROWS);
  const columns = every(outputs, Math.max(1, Math.floor(MAXIMUM_PAIRS / ((depth / 2) * Math.max(1, rows.length)))));
  const factors = new Uint8Array(depth);
  let pairCount = 0;
  let overflowCount = 0;
  for (const row of rows) {
    for (let k = 0; k < depth; k++) factors[k] = values[bases[row]! + offsets[k]!]!;
    for (const column of columns) {
      for (let k = 0, at = column * depth; k < depth; k += 2, at += 2) {
        const rest = k + 1 < depth ? factors[k + 1]! * weights[at + 1]! : 0;
        const sum = factors[k]! * weights[at]! + rest;
        pairCount++;
        if (sum > LARGEST_SUM || sum < -LARGEST_SUM - 1) overflowCount++;
      }
    }
  }
  return { pairCount, overflowCount };
}

/** At most `maximum` of the numbers below `count`, evenly apart. */
function every(count: number, maximum: number): number[] {
  const taken = Math.min(count, maximum);
  return Array.from({ length: taken }, (_, at) => Math.floor((at * count) / taken));
}

/** As the kernels multiply them: int8 is shifted, and what an LSTM quantizes by itself is quantized over its own range. */
function asUint8(data: Tensor["data"]): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (data instanceof Int8Array) return Uint8Array.from(data, (value) => value + 128);
  const floats = data as Float32Array;
  const low = floats.reduce((least, value) => Math.min(least, value), 0);
  const high = floats.reduce((most, value) => Math.max(most, value), 0);
  const scale = (high - low) / LARGEST_ACTIVATION || 1;
  const zeroPoint = roundHalfToEven(-low / scale);
  return Uint8Array.from(floats, (value) => Math.max(0, Math.min(255, roundHalfToEven(value / scale) + zeroPoint)));
}
