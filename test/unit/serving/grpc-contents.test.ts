import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Tensor } from "../../../contracts/data.ts";
import type { TensorDatatype } from "../../../contracts/signature.ts";
import { readContents } from "../../../serving/grpc/contents.ts";
import type { ModelInferRequest, ModelInferResponse } from "../../../serving/grpc/messages.ts";
import { readInferRequest } from "../../../serving/grpc/read-request.ts";
import { loadServiceDefinition } from "../../../serving/grpc/server.ts";
import { writeInferMessage } from "../../../serving/grpc/write-response.ts";

const { requestSerialize, requestDeserialize, responseSerialize, responseDeserialize } =
  loadServiceDefinition()["ModelInfer"]!;
/** Through the bytes that travel. */
const sent = (message: ModelInferResponse) => responseDeserialize(responseSerialize(message)) as ModelInferResponse;
const arrived = (message: object) => requestDeserialize(requestSerialize(message)) as ModelInferRequest;

const response = (...outputs: Tensor[]) => ({ modelName: "m", modelVersion: "1", id: "i", outputs });
const everything: Tensor[] = [
  { name: "a", datatype: "BOOL", shape: [2], data: new Uint8Array([1, 0]) },
  { name: "b", datatype: "UINT8", shape: [2], data: new Uint8Array([0, 255]) },
  { name: "c", datatype: "UINT16", shape: [2], data: new Uint16Array([0, 65_535]) },
  { name: "d", datatype: "UINT32", shape: [2], data: new Uint32Array([0, 4_294_967_295]) },
  { name: "e", datatype: "UINT64", shape: [2], data: new BigUint64Array([9_007_199_254_740_993n, 2n ** 64n - 1n]) },
  { name: "f", datatype: "INT8", shape: [2], data: new Int8Array([-128, 127]) },
  { name: "g", datatype: "INT16", shape: [2], data: new Int16Array([-32_768, 32_767]) },
  { name: "h", datatype: "INT32", shape: [2], data: new Int32Array([-2_147_483_648, 2_147_483_647]) },
  { name: "i", datatype: "INT64", shape: [2], data: new BigInt64Array([-(2n ** 63n), 9_007_199_254_740_993n]) },
  { name: "j", datatype: "FP32", shape: [3], data: new Float32Array([1.5, NaN, -Infinity]) },
  { name: "k", datatype: "FP64", shape: [3], data: new Float64Array([0.1, NaN, 1e300]) },
  { name: "l", datatype: "BYTES", shape: [3], data: ["", "JFK", "Zürich ✈"] },
];
const half: Tensor = { name: "n", datatype: "FP16", shape: [2], data: new Uint16Array([0x3c00, 0xfc00]) };
const identity = { "modelwright-arm": "canary" };

describe("tensors over gRPC", () => {
  test("of every datatype come back as they were, typed and raw", () => {
    const typed = sent(writeInferMessage(response(...everything), { outputs: null, binaryByDefault: false }, identity));
    expect(typed.raw_output_contents).toEqual([]);
    const raw = sent(
      writeInferMessage(response(...everything, half), { outputs: null, binaryByDefault: true }, identity),
    );
    expect(raw.outputs.map(({ contents }) => contents)).toEqual(Array.from(raw.outputs, () => null));
    for (const [message, tensors] of [
      [typed, everything],
      [raw, [...everything, half]],
    ] as const) {
      const { outputs: inputs, raw_output_contents: raw_input_contents } = message;
      const request = readInferRequest(arrived({ inputs, raw_input_contents }));
      const kind = message === typed ? "values" : "binary";
      expect(request.inputs.map(({ name, datatype, shape, payload }) => [name, datatype, shape, payload.kind])).toEqual(
        tensors.map(({ name, datatype, shape }) => [name, datatype, shape, kind]),
      );
    }
    const { inputs } = readInferRequest(arrived({ inputs: typed.outputs }));
    expect(inputs.map(({ payload }) => payload.kind === "values" && payload.data)).toEqual(
      everything.map(({ data }) => data),
    );
  });

  test("keep every 64-bit integer exactly", () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { minLength: 1 }), (values) => {
        const data = BigInt64Array.from(values);
        const tensor: Tensor = { name: "x", datatype: "INT64", shape: [values.length], data };
        const { outputs } = sent(
          writeInferMessage(response(tensor), { outputs: null, binaryByDefault: false }, identity),
        );
        const [input] = readInferRequest(arrived({ inputs: outputs })).inputs;
        expect(input!.payload).toEqual({ kind: "values", data });
      }),
      { numRuns: 50 },
    );
  });

  test("of half precision make the whole answer raw, for they have no typed contents", () => {
    const message = sent(
      writeInferMessage(response(half, everything[7]!), { outputs: null, binaryByDefault: false }, identity),
    );
    expect(message.outputs.map(({ contents }) => contents)).toEqual([null, null]);
    expect(message.raw_output_contents.map((bytes) => bytes.length)).toEqual([4, 8]);
  });

  test("are those that were asked for, in that order", () => {
    const asked = [
      { name: "h", binary: false },
      { name: "a", binary: false },
    ];
    const message = writeInferMessage(response(...everything), { outputs: asked, binaryByDefault: false }, identity);
    expect(message.outputs.map(({ name }) => name)).toEqual(["h", "a"]);
    expect(message.parameters).toEqual({ "modelwright-arm": { string_param: "canary" } });
  });

  test.each([
    ["INT8", "int_contents", 128, "element 0"],
    ["UINT16", "uint_contents", 65_536, "element 0"],
    ["INT16", "uint_contents", 1, "stands in uint_contents"],
    ["FP16", "fp32_contents", 1, "raw_input_contents"],
    ["BYTES", "bytes_contents", Buffer.of(0xff), "UTF-8"],
    ["FP32", "fp64_contents", 1, "stands in fp64_contents"],
  ] as const)("of %s with %s of %s are refused", (datatype, field, value, words) => {
    const { inputs } = arrived({ inputs: [{ contents: { [field]: [value] } }] });
    const read = (type: TensorDatatype) => readContents("x", type, inputs[0]!.contents, 1);
    expect(() => read(datatype)).toThrow(words);
  });
});
