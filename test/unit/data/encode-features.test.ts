import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { modelSignatureSchema, type ModelSignatureInput } from "../../../contracts/signature.ts";
import { decodePrediction } from "../../../core/data/decode-prediction.ts";
import { encodeFeatures } from "../../../core/data/encode-features.ts";
import { featureColumns } from "../../../core/data/feature-columns.ts";
import { labelValues } from "../../../core/data/label-values.ts";
import { numberToHalf } from "../../../core/data/number-to-half.ts";
import { halfToNumber } from "../../../core/onnx/half.ts";
import { batchOf } from "./batches.ts";

type Inputs = ModelSignatureInput["inputs"];

const signatureOf = (inputs: Inputs) =>
  modelSignatureSchema.parse({
    inputs,
    outputs: [{ name: "probability", datatype: "FP32", shape: [-1, 1] }],
    label: "late",
    prediction: { kind: "binary", output: "probability" },
  });

const encode = (inputs: Inputs, columns: Parameters<typeof batchOf>[0]) =>
  encodeFeatures({ signature: signatureOf(inputs), batch: batchOf(columns), where: "test data" });

const hour = { kind: "number", column: "hour", mean: 12, deviation: 4 } as const;
const origin = { kind: "category" as const, column: "origin", vocabulary: ["SFO", "LAX"] };

describe("encodeFeatures", () => {
  it("standardises numbers and finds words in the vocabulary, an input each", () => {
    const tensors = encode(
      [
        { name: "hour", datatype: "FP32", shape: [-1], features: [hour] },
        { name: "origin", datatype: "INT64", shape: [-1, 1], features: [origin] },
      ],
      { hour: [8, 12, 20], origin: ["LAX", "SFO", "LAX"] },
    );
    expect(tensors).toEqual([
      { name: "hour", datatype: "FP32", shape: [3], data: Float32Array.of(-1, 0, 2) },
      { name: "origin", datatype: "INT64", shape: [3, 1], data: BigInt64Array.of(1n, 0n, 1n) },
    ]);
  });

  it("stacks features into the last axis in the order of the signature", () => {
    const [tensor] = encode(
      [
        {
          name: "x",
          datatype: "FP64",
          shape: [-1, 3],
          features: [origin, hour, { kind: "number", column: "distance" }],
        },
      ],
      { hour: [8, 12], distance: [100, 200], origin: ["LAX", "SFO"] },
    );
    expect(tensor).toMatchObject({ shape: [2, 3], data: Float64Array.of(1, -1, 100, 0, 0, 200) });
  });

  it("passes tensors through unchanged, and stacks them beside numbers", () => {
    const image = { kind: "tensor", values: Float64Array.of(1, 2, 3, 4, NaN, 6, 7, 8), rowShape: [2, 2] } as const;
    const [whole] = encode(
      [{ name: "x", datatype: "FP32", shape: [-1, 2, -1], features: [{ kind: "tensor", column: "image" }] }],
      { image, hour: [0, 0] },
    );
    expect(whole).toMatchObject({ shape: [2, 2, 2], data: Float32Array.from(image.values) });
    const pair = { kind: "tensor", values: Float64Array.of(1, 2, 3, 4), rowShape: [2] } as const;
    const [stacked] = encode(
      [{ name: "x", datatype: "FP32", shape: [-1, 3], features: [{ kind: "tensor", column: "pair" }, hour] }],
      { pair, hour: [12, 16] },
    );
    expect(stacked).toMatchObject({ shape: [2, 3], data: Float32Array.of(1, 2, 0, 3, 4, 1) });
  });

  it("puts the declared raw value in the place of a null, and a declared index in the place of unknown words", () => {
    const [numbers, words] = encode(
      [
        { name: "hour", datatype: "FP32", shape: [-1], features: [{ ...hour, missing: 20 }] },
        { name: "origin", datatype: "INT32", shape: [-1], features: [{ ...origin, unknown: 2, missing: 3 }] },
      ],
      { hour: [null, 12, 12], origin: ["JFK", null, "LAX"] },
    );
    expect(numbers?.data).toEqual(Float32Array.of(2, 0, 0));
    expect(words?.data).toEqual(Int32Array.of(2, 3, 1));
  });

  it("looks numbers up in a vocabulary as JavaScript writes them", () => {
    const weekday = { kind: "category" as const, column: "weekday", vocabulary: ["1", "2", "0.5"], unknown: 9 };
    const [tensor] = encode([{ name: "d", datatype: "UINT8", shape: [-1], features: [weekday] }], {
      weekday: [2, 0.5, 1, 7],
    });
    expect(tensor?.data).toEqual(Uint8Array.of(1, 2, 0, 9));
  });

  it("takes the first place of a word that stands twice, and keeps a null number apart from the word NaN", () => {
    const code = { kind: "category" as const, column: "v", vocabulary: ["NaN", "3", "3"], missing: 7 };
    const [tensor] = encode([{ name: "v", datatype: "UINT8", shape: [-1], features: [code] }], { v: [3, null] });
    expect(tensor?.data).toEqual(Uint8Array.of(1, 7));
  });

  it("fills a BYTES input with the words of the vocabulary", () => {
    const [tensor] = encode([{ name: "o", datatype: "BYTES", shape: [-1], features: [{ ...origin, unknown: 0 }] }], {
      origin: ["LAX", "JFK"],
    });
    expect(tensor?.data).toEqual(["LAX", "SFO"]);
  });

  it("ignores a word of the dictionary that no row uses", () => {
    const column = { kind: "text", codes: Int32Array.of(1), dictionary: ["JFK", "SFO"] } as const;
    const batch = { rowCount: 1, columns: new Map([["origin", column]]) };
    const signature = signatureOf([{ name: "o", datatype: "INT64", shape: [-1], features: [origin] }]);
    expect(encodeFeatures({ signature, batch, where: "t" })[0]?.data).toEqual(BigInt64Array.of(0n));
  });

  it("gives tensors of no rows for a batch of no rows", () => {
    expect(encode([{ name: "x", datatype: "FP32", shape: [-1, 1], features: [hour] }], { hour: [] })[0]?.shape).toEqual(
      [0, 1],
    );
  });

  const oneInput = (datatype: string, features: unknown, shape = [-1]) =>
    [{ name: "x", datatype, shape, features: [features] }] as Inputs;
  const raw = { kind: "number", column: "v" };
  it.each<[string, Inputs, Parameters<typeof batchOf>[0], string, RegExp]>([
    ["a missing column", oneInput("FP32", raw), { w: [1] }, "COLUMN_MISSING", /"v" is missing; found w/],
    ["text for a number", oneInput("FP32", raw), { v: ["a"] }, "COLUMN_TYPE", /"v" is text/],
    ["an unknown word", oneInput("FP32", { ...origin, column: "v" }), { v: ["JFK"] }, "UNKNOWN_CATEGORY", /"JFK"/],
    ["a null", oneInput("FP32", raw), { v: [1, null] }, "INPUT_INVALID", /"v", row 1: no value/],
    ["a null word", oneInput("FP32", { ...origin, column: "v" }), { v: ["SFO", null] }, "INPUT_INVALID", /row 1/],
    ["300 as UINT8", oneInput("UINT8", raw), { v: [0, 300] }, "INPUT_INVALID", /row 1: 300 does not fit.*0 to 255/],
    ["1.5 as INT64", oneInput("INT64", raw), { v: [1.5] }, "INPUT_INVALID", /1.5 does not fit.*whole/],
    ["2^63 as INT64", oneInput("INT64", raw), { v: [2 ** 63] }, "INPUT_INVALID", /does not fit/],
    ["-1 as UINT64", oneInput("UINT64", raw), { v: [-1] }, "INPUT_INVALID", /does not fit/],
    ["1e39 as FP32", oneInput("FP32", raw), { v: [1e39] }, "INPUT_INVALID", /does not fit/],
    ["70000 as FP16", oneInput("FP16", raw), { v: [70_000] }, "INPUT_INVALID", /does not fit/],
    ["infinity as a number", oneInput("FP64", raw), { v: [Infinity] }, "INPUT_INVALID", /does not fit/],
    ["a number as BYTES", oneInput("BYTES", raw), { v: [1] }, "INPUT_INVALID", /only categories/],
    ["one number for a shape of two", oneInput("FP32", raw, [-1, 2]), { v: [1] }, "COLUMN_TYPE", /shape \[-1, 2\]/],
  ])("refuses %s", (_, inputs, columns, code, message) => {
    expect(() => encode(inputs, columns)).toThrow(message);
    expect(() => encode(inputs, columns)).toThrow(expect.objectContaining({ code }));
  });

  it("names the feature and row at fault in a stacked input", () => {
    const features = [{ kind: "number", column: "a" } as const, { kind: "number", column: "b" } as const];
    const inputs: Inputs = [{ name: "x", datatype: "INT8", shape: [-1, 2], features }];
    expect(() => encode(inputs, { a: [1, 2, 3], b: [1, 2, 999] })).toThrow(/column "b", row 2: 999/);
  });
});

describe("featureColumns", () => {
  it("names each column once, in the order of the inputs", () => {
    const inputs: Inputs = [
      { name: "a", datatype: "FP32", shape: [-1, 2], features: [hour, origin] },
      { name: "b", datatype: "FP32", shape: [-1], features: [hour] },
    ];
    expect(featureColumns(signatureOf(inputs))).toEqual(["hour", "origin"]);
  });
});

describe("numberToHalf", () => {
  const oracle = JSON.parse(readFileSync(new URL("../../fixtures/data/arrays.json", import.meta.url), "utf8")) as {
    doubles: number[];
    halves: number[];
  };
  it("rounds as NumPy does, ties and subnormals included", () => {
    expect(oracle.doubles.map(numberToHalf)).toEqual(oracle.halves);
  });
  it("gives back the bits of every half precision number", () => {
    const bits = Array.from({ length: 0x10000 }, (_, index) => index).filter(
      (half) => !Number.isNaN(halfToNumber(half)),
    );
    expect(bits.filter((half) => numberToHalf(halfToNumber(half)) !== half)).toEqual([]);
  });
});

describe("decodePrediction", () => {
  const signature = signatureOf([{ name: "x", datatype: "FP32", shape: [-1], features: [hour] }]);
  const decode = (data: Float32Array | Uint16Array | BigInt64Array, shape: number[], name = "probability") => {
    const datatype = data instanceof Float32Array ? "FP32" : data instanceof Uint16Array ? "FP16" : "INT64";
    return decodePrediction(signature, [{ name, datatype, shape, data }]);
  };
  it("takes one probability a row, of a column or of a vector, in half precision too", () => {
    expect(decode(Float32Array.of(0.25, 1), [2])).toEqual(Float32Array.of(0.25, 1));
    expect(decode(Float32Array.of(0.25, 1), [2, 1])).toEqual(Float32Array.of(0.25, 1));
    expect(decode(Uint16Array.of(0x3400), [1])).toEqual(Float32Array.of(0.25));
  });
  it.each([
    ["another output", Float32Array.of(0.5), [1], "label"],
    ["two a row", Float32Array.of(0.5, 0.5), [1, 2], "probability"],
    ["a logit", Float32Array.of(3.2), [1], "probability"],
    ["NaN", Float32Array.of(NaN), [1], "probability"],
    ["classes", BigInt64Array.of(1n), [1], "probability"],
  ] as const)("refuses %s", (_, data, shape, name) => {
    expect(() => decode(data, [...shape], name)).toThrow(expect.objectContaining({ code: "MODEL_SIGNATURE" }));
  });
});

describe("labelValues", () => {
  it("gives 0 and 1", () => expect(labelValues(batchOf({ late: [0, 1, 1] }), "late")).toEqual(Uint8Array.of(0, 1, 1)));
  it.each([[[0, null]], [[2]], [["yes"]]])("refuses %j and says where", (values) => {
    expect(() => labelValues(batchOf({ late: values }), "late", "April")).toThrow(/^April: column "late" is /);
  });
  it("refuses a batch without the label", () => {
    expect(() => labelValues(batchOf({ x: [1] }), "late")).toThrow(expect.objectContaining({ code: "COLUMN_MISSING" }));
  });
});
