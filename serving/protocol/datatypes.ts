import type { TensorDatatype } from "../../contracts/signature.ts";
import type { TensorValues } from "../../contracts/data.ts";

interface NumericDatatype {
  readonly elementBytes: number;
  /** Memory of its own for `count` elements. */
  readonly allocate: (count: number) => TensorValues;
  /** Elements over memory, from a byte that is a multiple of their size. */
  readonly over: (buffer: ArrayBuffer, from: number, count: number) => TensorValues;
  /** Inclusive range of an integer type. */
  readonly range?: readonly [bigint, bigint];
}

type Constructor = {
  readonly BYTES_PER_ELEMENT: number;
  new (count: number): TensorValues;
  new (buffer: ArrayBuffer, from: number, count: number): TensorValues;
};

const real = (constructor: Constructor): NumericDatatype => ({
  elementBytes: constructor.BYTES_PER_ELEMENT,
  allocate: (count) => new constructor(count),
  over: (buffer, from, count) => new constructor(buffer, from, count),
});
const integer = (constructor: Constructor, low: bigint, high: bigint): NumericDatatype => ({
  ...real(constructor),
  range: [low, high],
});

/** Every datatype of the protocol but BYTES. BOOL is a byte of 0 or 1, FP16 and BF16 their 16 bits. */
export const NUMERIC_DATATYPES = {
  BOOL: integer(Uint8Array, 0n, 1n),
  UINT8: integer(Uint8Array, 0n, 255n),
  UINT16: integer(Uint16Array, 0n, 65_535n),
  UINT32: integer(Uint32Array, 0n, 4_294_967_295n),
  UINT64: integer(BigUint64Array, 0n, (1n << 64n) - 1n),
  INT8: integer(Int8Array, -128n, 127n),
  INT16: integer(Int16Array, -32_768n, 32_767n),
  INT32: integer(Int32Array, -2_147_483_648n, 2_147_483_647n),
  INT64: integer(BigInt64Array, -(1n << 63n), (1n << 63n) - 1n),
  FP16: real(Uint16Array),
  BF16: real(Uint16Array),
  FP32: real(Float32Array),
  FP64: real(Float64Array),
} satisfies Record<Exclude<TensorDatatype, "BYTES">, NumericDatatype>;

/** Number of elements of a shape, or null where it is beyond what a body could hold. */
export function elementCount(shape: readonly number[]): number | null {
  let count = 1;
  for (const size of shape) {
    count *= size;
    if (count > 2 ** 31) return shape.includes(0) ? 0 : null;
  }
  return count;
}
