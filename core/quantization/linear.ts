/**
 * Linear quantization, real = scale * (quantized - zero point), with the ranges, the float32 arithmetic and the rounding of
 * `onnxruntime.quantization` 1.30 (quant_utils.py), so that weights equal its weights byte for byte.
 */
import { roundHalfToEven } from "../onnx/half.ts";

/** Below the smallest normal float32 a scale would be subnormal; ORT takes scale 1 and zero point 0 instead. */
const SMALLEST_SCALE = 1.1754943508222875e-38;

/** The float64 scale of values up to `largest` in magnitude over `steps` integers around 0. */
function symmetricScale(largest: number, steps = 254): number {
  const scale = Math.fround(largest + largest) / steps;
  return scale < SMALLEST_SCALE ? 1 : scale;
}

/** A tensor seen as [outer, channels, inner], row-major, with one scale a channel. */
export interface ChannelLayout {
  readonly outer: number;
  readonly channels: number;
  readonly inner: number;
}

/** The layout in which the axes from `first` up to, not including, `end` are the channels. */
export function channelsOf(dims: readonly number[], first: number, end: number): ChannelLayout {
  const size = (from: number, to: number) => dims.slice(from, to).reduce((product, dim) => product * dim, 1);
  return { outer: size(0, first), channels: size(first, end), inner: size(end, dims.length) };
}

/**
 * Symmetric int8 scales, one a channel: -127 to 127, or -64 to 64 with `reduceRange`. An all-zero channel has scale 1.
 *
 * @param values finite
 */
export function channelScales(
  values: Float32Array,
  { outer, channels, inner }: ChannelLayout,
  { reduceRange }: { readonly reduceRange: boolean },
): Float32Array {
  const scales = new Float32Array(channels);
  for (let row = 0, at = 0; row < outer; row++) {
    if (inner === 1) {
      // The columns of a matrix: most weights are, and a loop of one turn within the loop takes twice as long.
      for (let channel = 0; channel < channels; channel++, at++) {
        const magnitude = Math.abs(values[at]!);
        if (magnitude > scales[channel]!) scales[channel] = magnitude;
      }
      continue;
    }
    for (let channel = 0; channel < channels; channel++) {
      let largest = scales[channel]!;
      for (const end = at + inner; at < end; at++) {
        const magnitude = Math.abs(values[at]!);
        if (magnitude > largest) largest = magnitude;
      }
      scales[channel] = largest;
    }
  }
  return scales.map((largest) => symmetricScale(largest, reduceRange ? 128 : 254));
}

/** The layout of a tensor whose channels share one scale when `perChannel` is false. */
export function scaleLayout(layout: ChannelLayout, { perChannel }: { readonly perChannel: boolean }): ChannelLayout {
  return perChannel ? layout : { outer: 1, channels: 1, inner: layout.outer * layout.channels * layout.inner };
}

/** The elements of [outer, rows, columns] as [outer, columns, rows], both row-major. */
export function transposeInner(values: Int8Array, outer: number, rows: number, columns: number): Int8Array {
  const transposed = new Int8Array(values.length);
  for (let part = 0, from = 0; part < outer; part++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, from++) {
        transposed[(part * columns + column) * rows + row] = values[from]!;
      }
    }
  }
  return transposed;
}

/** The quotient is taken in float64 and rounded once to float32: that equals a float32 division. */
const quantizeSymmetric = (value: number, scale: number): number =>
  clamp(roundHalfToEven(Math.fround(value / scale)), -128, 127);

/** Quantizes to int8 by the given scales, one a channel, zero points 0; in the order of `values`. */
export function quantizeChannels(
  values: Float32Array,
  { outer, channels, inner }: ChannelLayout,
  scales: Float32Array,
): Int8Array {
  const quantized = new Int8Array(values.length);
  for (let row = 0, at = 0; row < outer; row++) {
    if (inner === 1) {
      for (let channel = 0; channel < channels; channel++, at++)
        quantized[at] = quantizeSymmetric(values[at]!, scales[channel]!);
      continue;
    }
    for (let channel = 0; channel < channels; channel++) {
      const scale = scales[channel]!;
      for (const end = at + inner; at < end; at++) quantized[at] = quantizeSymmetric(values[at]!, scale);
    }
  }
  return quantized;
}

/** The integers a range is laid over, and what holds them. */
interface IntegerRange {
  readonly lowest: number;
  readonly highest: number;
  readonly array: Uint8ArrayConstructor | Int8ArrayConstructor;
}
export const UINT8: IntegerRange = { lowest: 0, highest: 255, array: Uint8Array };
export const INT8: IntegerRange = { lowest: -128, highest: 127, array: Int8Array };

/**
 * The scale and zero point of a range of float32 values, widened to hold 0, so that 0 is exact. A range too narrow for a normal
 * float32 scale, and the empty one, have scale 1 and zero point 0.
 */
export function affineParameters(
  low: number,
  high: number,
  { lowest, highest }: IntegerRange = UINT8,
): { readonly scale: number; readonly zeroPoint: number } {
  const [smallest, largest] = [Math.min(Math.fround(low), 0), Math.max(Math.fround(high), 0)];
  const exactScale = Math.fround(largest - smallest) / (highest - lowest);
  if (!(exactScale >= SMALLEST_SCALE)) return { scale: 1, zeroPoint: 0 };
  // The zero point comes from the float64 scale, values are divided by the float32 one.
  return { scale: Math.fround(exactScale), zeroPoint: roundHalfToEven(lowest - smallest / exactScale) };
}

export interface QuantizedTable {
  readonly values: Uint8Array | Int8Array;
  readonly scale: number;
  readonly zeroPoint: number;
}

/**
 * Quantizes a whole tensor with one scale, over its range widened to hold 0. Never to 7 bits: it is looked up, and if it is multiplied
 * then as an activation.
 *
 * @param table finite values in any order; an empty or all-zero table has scale 1
 */
export function quantizeTable(table: Float32Array, integers: IntegerRange = UINT8): QuantizedTable {
  let smallest = 0;
  let largest = 0;
  for (const value of table) {
    if (value < smallest) smallest = value;
    if (value > largest) largest = value;
  }
  const { lowest, highest } = integers;
  const { scale, zeroPoint } = affineParameters(smallest, largest, integers);
  const values = new integers.array(table.length);
  for (let at = 0; at < table.length; at++) {
    const rounded = roundHalfToEven(Math.fround(table[at]! / scale));
    values[at] = clamp(Math.fround(rounded + zeroPoint), lowest, highest);
  }
  return { values, scale, zeroPoint };
}

function clamp(value: number, low: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}
