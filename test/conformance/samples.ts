/**
 * Two rows of two elements of each datatype, with its extremes, in each form the protocol carries them. Written out by hand and
 * not by the gateway's own code, which would agree with itself.
 */
export interface Sample {
  readonly datatype: string;
  /** JSON tokens; text, because a parser would round the long ones. */
  readonly tokens: readonly string[];
  /** Little-endian; BYTES elements with their lengths. */
  readonly bytes: Buffer;
  /** The gRPC field and its values; null for what travels raw only. */
  readonly typed: { readonly field: string; readonly values: readonly unknown[] } | null;
}

/** Rows and columns of every sample. */
export const SHAPE = [2, 2] as const;

type Write = (buffer: Buffer, value: number, at: number) => void;

function numbers(
  datatype: string,
  field: string | null,
  size: number,
  write: Write,
  values: readonly number[],
): Sample {
  const bytes = Buffer.alloc(values.length * size);
  values.forEach((value, index) => write(bytes, value, index * size));
  return { datatype, tokens: values.map(String), bytes, typed: field === null ? null : { field, values } };
}

function longs(datatype: string, field: string, signed: boolean, values: readonly bigint[]): Sample {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, index) =>
    signed ? bytes.writeBigInt64LE(value, index * 8) : bytes.writeBigUInt64LE(value, index * 8),
  );
  const tokens = values.map(String);
  return { datatype, tokens, bytes, typed: { field, values: tokens } };
}

function texts(values: readonly string[]): Sample {
  const parts = values.flatMap((value) => {
    const encoded = Buffer.from(value, "utf8");
    const length = Buffer.alloc(4);
    length.writeUInt32LE(encoded.length);
    return [length, encoded];
  });
  return {
    datatype: "BYTES",
    tokens: values.map((value) => JSON.stringify(value)),
    bytes: Buffer.concat(parts),
    typed: { field: "bytes_contents", values: values.map((value) => Buffer.from(value, "utf8")) },
  };
}

/** 16-bit floats by their bits, because JavaScript has no name for them. */
function halves(datatype: string, pairs: readonly (readonly [value: number, bits: number])[]): Sample {
  const bytes = Buffer.alloc(pairs.length * 2);
  pairs.forEach(([, bits], index) => bytes.writeUInt16LE(bits, index * 2));
  return { datatype, tokens: pairs.map(([value]) => String(value)), bytes, typed: null };
}

const BOOLS: Sample = {
  datatype: "BOOL",
  tokens: ["true", "false", "false", "true"],
  bytes: Buffer.from([1, 0, 0, 1]),
  typed: { field: "bool_contents", values: [true, false, false, true] },
};

export const SAMPLES: readonly Sample[] = [
  BOOLS,
  numbers("UINT8", "uint_contents", 1, (b, v, at) => b.writeUInt8(v, at), [0, 1, 128, 255]),
  numbers("UINT16", "uint_contents", 2, (b, v, at) => b.writeUInt16LE(v, at), [0, 1, 32_768, 65_535]),
  numbers("UINT32", "uint_contents", 4, (b, v, at) => b.writeUInt32LE(v, at), [0, 1, 2_147_483_648, 4_294_967_295]),
  longs("UINT64", "uint64_contents", false, [0n, 1n, 9_007_199_254_740_993n, 18_446_744_073_709_551_615n]),
  numbers("INT8", "int_contents", 1, (b, v, at) => b.writeInt8(v, at), [-128, -1, 0, 127]),
  numbers("INT16", "int_contents", 2, (b, v, at) => b.writeInt16LE(v, at), [-32_768, -1, 0, 32_767]),
  numbers("INT32", "int_contents", 4, (b, v, at) => b.writeInt32LE(v, at), [-2_147_483_648, -1, 0, 2_147_483_647]),
  longs("INT64", "int64_contents", true, [
    -9_223_372_036_854_775_808n,
    -9_007_199_254_740_993n,
    0n,
    9_223_372_036_854_775_807n,
  ]),
  numbers("FP32", "fp32_contents", 4, (b, v, at) => b.writeFloatLE(v, at), [
    Math.fround(0.1),
    -1.5,
    2 ** -149,
    3.4028234663852886e38,
  ]),
  numbers("FP64", "fp64_contents", 8, (b, v, at) => b.writeDoubleLE(v, at), [0.1, -1.5, 5e-324, Number.MAX_VALUE]),
  texts(["", "late", "Zürich → 東京", '"\\\u0001\n']),
  halves("FP16", [
    [1.5, 0x3e00],
    [-2, 0xc000],
    [65_504, 0x7bff],
    [2 ** -24, 0x0001],
  ]),
  halves("BF16", [
    [1.5, 0x3fc0],
    [-2, 0xc000],
    [2 ** 127, 0x7f00],
    [2 ** -126, 0x0080],
  ]),
];

export const inputName = ({ datatype }: Sample): string => datatype.toLowerCase();
export const outputName = (sample: Sample): string => `${inputName(sample)}_echo`;

/** Datatypes without typed contents in gRPC; they are in a model of their own. */
export const isHalf = ({ typed }: Sample): boolean => typed === null;
