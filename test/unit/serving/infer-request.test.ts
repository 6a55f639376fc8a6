import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isFailure } from "../../../contracts/failures.ts";
import { readBinaryData, writeBinaryData } from "../../../serving/protocol/binary-data.ts";
import { parseInferRequest } from "../../../serving/protocol/infer-request.ts";
import { readJsonData } from "../../../serving/protocol/json-data.ts";
import { createRawRequest } from "../../../serving/protocol/raw-request.ts";

const utf8 = new TextEncoder();
const bytes = (value: unknown) => utf8.encode(typeof value === "string" ? value : JSON.stringify(value));
const parse = (value: unknown) => parseInferRequest(bytes(value), null);
const input = (fields: object) => ({ inputs: [{ name: "x", datatype: "FP32", shape: [2], data: [1, 2], ...fields }] });

/** Fails unless the client is told what is wrong. */
function refusal(work: () => unknown): string {
  try {
    work();
  } catch (thrown) {
    if (isFailure(thrown) && thrown.code === "INPUT_INVALID") return thrown.message;
    throw thrown;
  }
  throw new Error("nothing was refused");
}

function outcome(work: () => unknown): string {
  try {
    work();
    return "parsed";
  } catch (thrown) {
    return isFailure(thrown) ? thrown.code : String(thrown);
  }
}

describe("an infer request", () => {
  test("keeps names, types, shapes and what was asked for", () => {
    const request = parse({
      ...input({}),
      id: "a b",
      parameters: { routing_key: "user-1", content_type: "columns" },
      outputs: [{ name: "p", parameters: { binary_data: true } }, { name: "q" }],
    });
    expect(request).toMatchObject({ id: "a b", routingKey: "user-1", contentType: "columns", binaryByDefault: false });
    expect(request.outputs).toEqual([
      { name: "p", binary: true },
      { name: "q", binary: false },
    ]);
    expect(request.inputs[0]).toMatchObject({ name: "x", datatype: "FP32", shape: [2], elementCount: 2 });
  });

  test("takes tritonclient's request: binary inputs, all outputs binary, an empty id", () => {
    const json = bytes({
      id: "",
      parameters: { binary_data_output: true },
      inputs: [
        { name: "a", datatype: "INT64", shape: [1, 2], parameters: { binary_data_size: 16 } },
        { name: "b", datatype: "BYTES", shape: [1], parameters: { binary_data_size: 7 } },
      ],
    });
    const a = new Uint8Array(new BigInt64Array([1n, -2n]).buffer);
    const b = [3, 0, 0, 0, 0x4a, 0x46, 0x4b];
    const request = parseInferRequest(Uint8Array.from([...json, ...a, ...b]), json.length);
    expect(request).toMatchObject({ id: null, outputs: null, binaryByDefault: true });
    expect(request.inputs.map(({ payload }) => payload.kind)).toEqual(["binary", "binary"]);
    const [first, second] = request.inputs.map(({ payload }) => (payload.kind === "binary" ? payload.bytes : null));
    expect(readBinaryData("a", "INT64", first!, 2)).toEqual(new BigInt64Array([1n, -2n]));
    expect(readBinaryData("b", "BYTES", second!, 1)).toEqual(["JFK"]);
  });

  test.each([
    ["an empty body", ""],
    ["broken JSON", '{"inputs":'],
    ["a list", []],
    ["no inputs", {}],
    ["zero inputs", { inputs: [] }],
    ["an input that is a number", { inputs: [1] }],
    ["a nameless input", input({ name: "" })],
    ["an unknown datatype", input({ datatype: "FLOAT" })],
    ["the datatype FP8", input({ datatype: "FP8" })],
    ["a shape that is a number", input({ shape: 2 })],
    ["a negative size", input({ shape: [-1] })],
    ["a fractional size", input({ shape: [1.5] })],
    ["a scalar shape", input({ shape: [] })],
    ["a shape of 33 axes", input({ shape: Array.from({ length: 33 }, () => 1) })],
    ["a shape beyond memory", input({ shape: [4_000_000_000, 4_000_000_000] })],
    ["no data", { inputs: [{ name: "x", datatype: "FP32", shape: [2] }] }],
    ["data and binary data at once", input({ parameters: { binary_data_size: 0 } })],
    [
      "binary data that is not there",
      { inputs: [{ name: "x", datatype: "FP32", shape: [2], parameters: { binary_data_size: 8 } }] },
    ],
    ["an input twice", { inputs: [...input({}).inputs, ...input({}).inputs] }],
    ["an id that is no text", { ...input({}), id: 5 }],
    ["an id with a line break", { ...input({}), id: "a\r\nset-cookie: x" }],
    ["an id of a thousand characters", { ...input({}), id: "x".repeat(1000) }],
    ["an unknown content type", { ...input({}), parameters: { content_type: "column" } }],
    ["parameters that are a list", { ...input({}), parameters: [] }],
    ["outputs that are an object", { ...input({}), outputs: {} }],
  ])("with %s is refused in words", (_, body) => {
    expect(refusal(() => parse(body)).length).toBeGreaterThan(20);
  });

  test("with a header length beyond its body, or bytes nobody claims, is refused", () => {
    const body = bytes(input({}));
    expect(refusal(() => parseInferRequest(body, body.length + 1))).toContain(`has ${body.length} bytes`);
    expect(refusal(() => parseInferRequest(Uint8Array.from([...body, 0, 0]), body.length))).toContain("2 bytes");
  });

  test("of any bytes is parsed or refused, and nothing else", () => {
    const valid = bytes(input({}));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.json().map(bytes),
          fc
            .tuple(fc.nat(valid.length - 1), fc.nat(255))
            .map(([at, value]) => Uint8Array.from(valid, (byte, i) => (i === at ? value : byte))),
          fc.nat(valid.length).map((length) => valid.subarray(0, length)),
        ),
        fc.option(fc.nat(300)),
        (body, headerLength) => {
          expect(outcome(() => parseInferRequest(body, headerLength))).toMatch(/^(parsed|INPUT_INVALID)$/);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("nested a hundred thousand deep is refused", () => {
    const deep = `{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":${"[".repeat(100_000)}${"]".repeat(100_000)}}]}`;
    const data = () => {
      const { payload, ...tensor } = parse(deep).inputs[0]!;
      return payload.kind === "json" && readJsonData("x", { ...tensor, data: payload.data }, 1);
    };
    expect(refusal(data)).toContain("is an array");
  });
});

describe("JSON data", () => {
  const read = (datatype: Parameters<typeof readJsonData>[1]["datatype"], shape: number[], json: string) => {
    const request = parse(
      `{"inputs":[{"name":"x","datatype":"${datatype}","shape":[${shape.join(",")}],"data":${json}}]}`,
    );
    const { payload, elementCount } = request.inputs[0]!;
    if (payload.kind !== "json") throw new Error("binary");
    return readJsonData("x", { datatype, shape, data: payload.data }, elementCount);
  };

  test("keeps every 64-bit integer exactly", () => {
    expect(read("INT64", [3], "[9223372036854775807, -9223372036854775808, 9007199254740993]")).toEqual(
      new BigInt64Array([9223372036854775807n, -9223372036854775808n, 9007199254740993n]),
    );
    expect(read("UINT64", [1], "[18446744073709551615]")).toEqual(new BigUint64Array([18446744073709551615n]));
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { minLength: 1 }), (values) => {
        expect(read("INT64", [values.length], `[${values.join(" , ")}]`)).toEqual(BigInt64Array.from(values));
      }),
    );
  });

  test("reads long numbers in strings and floats as what they are", () => {
    expect(read("BYTES", [2], '["9007199254740993", "\\"12345678901234567890"]')).toEqual([
      "9007199254740993",
      '"12345678901234567890',
    ]);
    expect(read("FP64", [3], "[0.12345678901234567, 12345678901234567890, 1.2345678901234567e-20]")).toEqual(
      new Float64Array(["0.12345678901234567", "12345678901234567890", "1.2345678901234567e-20"].map(Number)),
    );
  });

  test("may be flat or nested as the shape says", () => {
    const flat = read("FP32", [2, 3], "[1,2,3,4,5,6]");
    expect(read("FP32", [2, 3], "[[1,2,3],[4,5,6]]")).toEqual(flat);
    expect(refusal(() => read("FP32", [2, 3], "[[1,2],[3,4],[5,6]]"))).toContain("axis 0");
    expect(refusal(() => read("FP32", [2, 3], "[[1,2,3],[4,5]]"))).toContain("axis 1");
    expect(refusal(() => read("FP32", [2, 3], "[1,2,3,4,5]"))).toContain("5 elements");
  });

  test.each([
    ["INT8", "[128]"],
    ["UINT8", "[-1]"],
    ["INT32", "[1.5]"],
    ["INT64", "[9223372036854775808]"],
    ["UINT64", "[-1]"],
    ["INT64", '["1"]'],
    ["FP32", "[1e39]"],
    ["FP16", "[65520]"],
    ["FP64", "[1e999]"],
    ["FP32", "[null]"],
    ["FP32", "[true]"],
    ["BOOL", "[2]"],
    ["BYTES", "[1]"],
  ] as const)("of %s refuses %s", (datatype, json) => {
    expect(refusal(() => read(datatype, [1], json))).toContain("element 0");
  });

  test("of half precision becomes its bits", () => {
    expect(read("FP16", [5], "[0, 1, -2, 65504, 5.960464477539063e-8]")).toEqual(
      new Uint16Array([0, 0x3c00, 0xc000, 0x7bff, 1]),
    );
  });
});

describe("binary data", () => {
  test("comes back as it was sent, for every datatype", () => {
    const tensors = [
      ["FP32", new Float32Array([1.5, NaN, -Infinity])],
      ["FP64", new Float64Array([1e300, 2, 3])],
      ["INT8", new Int8Array([-128, 0, 127])],
      ["UINT16", new Uint16Array([0, 1, 65535])],
      ["INT64", new BigInt64Array([-1n, 0n, 2n ** 62n])],
      ["FP16", new Uint16Array([0, 1, 0x3c00])],
      ["BOOL", new Uint8Array([0, 1, 1])],
      ["BYTES", ["", "JFK", "Zürich ✈"]],
    ] as const;
    for (const [datatype, data] of tensors) {
      const written = writeBinaryData({ name: "x", datatype, shape: [3], data });
      // Behind an odd number of bytes, as they lie in a body.
      const shifted = Uint8Array.from([7, ...written]).subarray(1);
      expect(readBinaryData("x", datatype, shifted, 3)).toEqual(data);
    }
  });

  test("that is too short, too long, cut within an element or not UTF-8 is refused", () => {
    expect(refusal(() => readBinaryData("x", "FP32", new Uint8Array(7), 2))).toContain("7 bytes");
    expect(refusal(() => readBinaryData("x", "BYTES", Uint8Array.of(1, 0), 1))).toContain("length");
    expect(refusal(() => readBinaryData("x", "BYTES", Uint8Array.of(255, 255, 255, 255), 1))).toContain("4294967295");
    expect(refusal(() => readBinaryData("x", "BYTES", Uint8Array.of(1, 0, 0, 0, 0xff), 1))).toContain("UTF-8");
    expect(refusal(() => readBinaryData("x", "BYTES", new Uint8Array(0), 1))).toContain("0 BYTES");
  });
});

describe("a raw body", () => {
  const single = { name: "x", datatype: "FP32", shape: [-1, 2], features: [{ kind: "tensor", column: "x" }] } as const;
  const inputs = [{ ...single, shape: [...single.shape], features: [...single.features] }];

  test("is the data of the model's one input", () => {
    expect(createRawRequest(inputs, new Uint8Array(24)).inputs[0]).toMatchObject({ name: "x", shape: [3, 2] });
  });

  test("that fills no whole row, or a model with two inputs, is refused", () => {
    expect(refusal(() => createRawRequest(inputs, new Uint8Array(12)))).toContain("12 bytes");
    expect(refusal(() => createRawRequest([...inputs, ...inputs], new Uint8Array(8)))).toContain("one input");
  });
});
