/**
 * Element types: ONNX's codes, the Open Inference Protocol's names (the ones we use everywhere) and the bits an element
 * takes in `raw_data`.
 */
import type { TensorDatatype } from "../../contracts/signature.ts";

const ROWS = [
  ["FP32", 1, 32],
  ["UINT8", 2, 8],
  ["INT8", 3, 8],
  ["UINT16", 4, 16],
  ["INT16", 5, 16],
  ["INT32", 6, 32],
  ["INT64", 7, 64],
  ["BYTES", 8, 0],
  ["BOOL", 9, 8],
  ["FP16", 10, 16],
  ["FP64", 11, 64],
  ["UINT32", 12, 32],
  ["UINT64", 13, 64],
  ["BF16", 16, 16],
] as const satisfies readonly (readonly [TensorDatatype, number, number])[];

const codes = new Map<string, number>(ROWS.map(([name, code]) => [name, code]));
const names = new Map<number, TensorDatatype>(ROWS.map(([name, code]) => [code, name]));

/** Types with no name in the protocol that weights may still have: complex, 8-bit floats, 4 and 2 bit integers. */
const UNNAMED_BITS: readonly (readonly [code: number, bits: number])[] = [
  [14, 64],
  [15, 128],
  [17, 8],
  [18, 8],
  [19, 8],
  [20, 8],
  [21, 4],
  [22, 4],
  [23, 4],
  [24, 8],
  [25, 2],
  [26, 2],
];
const bits = new Map<number, number>([...ROWS.map(([, code, size]) => [code, size] as const), ...UNNAMED_BITS]);

/** ONNX's code of a type, e.g. 1 for FP32. */
export const datatypeCode = (datatype: TensorDatatype): number => codes.get(datatype)!;

/** The protocol's name of an ONNX code; undefined for types no client can send. */
export const datatypeOf = (code: number): TensorDatatype | undefined => names.get(code);

/** Bits per element in `raw_data`; 0 for strings, undefined for codes we do not know. */
export const elementBits = (code: number): number | undefined => bits.get(code);
