/**
 * Linear quantization, real = scale * (quantized - zero point), with the ranges, the float32 arithmetic and the rounding of
 * `onnxruntime.quantization` 1.30 (quant_utils.py), so that weights equal its weights byte for byte.
 */
import { roundHalfToEven } from "../onnx/half.ts";

/** Below the smallest normal float32 a scale would be subnormal; ORT takes scale 1 and zero point 0 instead. */
const SMALLEST_SCALE = 1.1754943508222875e-38;

export interface QuantizedColumns {
  /** Row-major [rows, columns], -127 to 127. */
  readonly values: Int8Array;
  /** One scale a column; the zero points are all 0. */
  readonly scales: Float32Array;
}

/**
 * Quantizes a matrix to symmetric int8 with one scale a column.
 *
 * @param weights row-major [rows, columns], or [columns, rows] when `transposed`; finite
 * @returns always [rows, columns]; an all-zero column has scale 1
 */
export function quantizeColumns(
  weights: Float32Array,
  { rows, columns, transposed }: { readonly rows: number; readonly columns: number; readonly transposed: boolean },
): QuantizedColumns {
  const [rowStep, columnStep] = transposed ? [1, rows] : [columns, 1];
  const scales = new Float32Array(columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const magnitude = Math.abs(weights[row * rowStep + column * columnStep]!);
      if (magnitude > scales[column]!) scales[column] = magnitude;
    }
  }
  for (let column = 0; column < columns; column++) scales[column] = symmetricScale(scales[column]!);
  const values = new Int8Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      // The quotient is taken in float64 and rounded once to float32: that equals a float32 division.
      const quotient = Math.fround(weights[row * rowStep + column * columnStep]! / scales[column]!);
      values[row * columns + column] = clamp(roundHalfToEven(quotient), -128, 127);
    }
  }
  return { values, scales };
}

function symmetricScale(largest: number): number {
  const scale = Math.fround(largest + largest) / 254;
  return scale < SMALLEST_SCALE ? 1 : scale;
}

export interface QuantizedTable {
  readonly values: Uint8Array;
  readonly scale: number;
  readonly zeroPoint: number;
}

/**
 * Quantizes a whole tensor to uint8 with one scale, over its range widened to hold 0.
 *
 * @param table finite values in any order; an empty or all-zero table has scale 1
 */
export function quantizeTable(table: Float32Array): QuantizedTable {
  let smallest = 0;
  let largest = 0;
  for (const value of table) {
    if (value < smallest) smallest = value;
    if (value > largest) largest = value;
  }
  const exactScale = Math.fround(largest - smallest) / 255;
  const usable = exactScale >= SMALLEST_SCALE;
  // The zero point comes from the float64 scale, the values from the float32 one.
  const zeroPoint = usable ? roundHalfToEven(0 - smallest / exactScale) : 0;
  const scale = usable ? Math.fround(exactScale) : 1;
  const values = Uint8Array.from(table, (value) =>
    clamp(Math.fround(roundHalfToEven(Math.fround(value / scale)) + zeroPoint), 0, 255),
  );
  return { values, scale, zeroPoint };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
