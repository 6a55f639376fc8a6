import type { TensorValues } from "../../contracts/data.ts";
import type { TensorDatatype } from "../../contracts/signature.ts";
import { numberToBfloat16 } from "../onnx/half.ts";
import { numberToHalf } from "./number-to-half.ts";

type NumericDatatype = Exclude<TensorDatatype, "BYTES">;

/** What fits a datatype: whole numbers between two bounds, or floats up to a largest finite magnitude. */
interface Storage {
  readonly allocate: (length: number) => TensorValues;
  readonly whole: boolean;
  readonly least: number;
  readonly greatest: number;
}

const whole = (allocate: Storage["allocate"], least: number, greatest: number): Storage => ({
  allocate,
  whole: true,
  least,
  greatest,
});
const float = (allocate: Storage["allocate"], greatest: number): Storage => ({
  allocate,
  whole: false,
  least: -greatest,
  greatest,
});

/** Largest doubles that round to a finite value of the narrower type. */
const LARGEST_SINGLE = 3.4028235677973362e38;
const LARGEST_HALF = 65519.99999999999;
/** The largest of them itself: what is above it is rounded to single precision first. */
const LARGEST_BFLOAT16 = 3.3895313892515355e38;
/** Largest doubles below 2^63 and 2^64: the bounds themselves do not fit. */
const LARGEST_INT64 = 9223372036854774784;
const LARGEST_UINT64 = 18446744073709549568;

const STORAGES: Readonly<Record<NumericDatatype, Storage>> = {
  BOOL: whole((length) => new Uint8Array(length), 0, 1),
  UINT8: whole((length) => new Uint8Array(length), 0, 255),
  UINT16: whole((length) => new Uint16Array(length), 0, 65_535),
  UINT32: whole((length) => new Uint32Array(length), 0, 4_294_967_295),
  UINT64: whole((length) => new BigUint64Array(length), 0, LARGEST_UINT64),
  INT8: whole((length) => new Int8Array(length), -128, 127),
  INT16: whole((length) => new Int16Array(length), -32_768, 32_767),
  INT32: whole((length) => new Int32Array(length), -2_147_483_648, 2_147_483_647),
  INT64: whole((length) => new BigInt64Array(length), -9_223_372_036_854_775_808, LARGEST_INT64),
  FP16: float((length) => new Uint16Array(length), LARGEST_HALF),
  BF16: float((length) => new Uint16Array(length), LARGEST_BFLOAT16),
  FP32: float((length) => new Float32Array(length), LARGEST_SINGLE),
  FP64: float((length) => new Float64Array(length), Number.MAX_VALUE),
};

/**
 * Copies numbers into the storage of a datatype; FP16 and BF16 become their 16 bits in a Uint16Array. Nothing is cut or wrapped:
 * the first number that does not fit is handed to `refuse`, which throws. NaN and infinities fit floats only, and only
 * where `passNonFinite` says that they are the data's own.
 */
export function storeNumbers(
  values: Float64Array,
  datatype: NumericDatatype,
  passNonFinite: boolean,
  refuse: (index: number, value: number, allowed: string) => never,
): TensorValues {
  const storage = STORAGES[datatype];
  const { whole, least, greatest } = storage;
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    const fits = value >= least && value <= greatest && (!whole || Number.isInteger(value));
    if (fits || (!whole && passNonFinite && !Number.isFinite(value))) continue;
    refuse(index, value, `${whole ? "whole numbers" : "finite numbers"} from ${least} to ${greatest} (${datatype})`);
  }
  const target = storage.allocate(values.length);
  if (target instanceof BigInt64Array || target instanceof BigUint64Array) {
    for (let index = 0; index < values.length; index++) target[index] = BigInt(values[index]!);
  } else if (datatype === "FP16") {
    for (let index = 0; index < values.length; index++) target[index] = numberToHalf(values[index]!);
  } else if (datatype === "BF16") {
    for (let index = 0; index < values.length; index++) target[index] = numberToBfloat16(values[index]!);
  } else {
    target.set(values);
  }
  return target;
}
