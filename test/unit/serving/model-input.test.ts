import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isFailure } from "../../../contracts/failures.ts";
import { modelSignatureSchema, TENSOR_DATATYPES } from "../../../contracts/signature.ts";
import { isClientFault } from "../../../serving/failure-status.ts";
import { readModelInput } from "../../../serving/model-input.ts";
import { parseInferRequest } from "../../../serving/protocol/infer-request.ts";
import { SIGNATURE } from "./served-model.ts";

const read = (body: object, signature = SIGNATURE) =>
  readModelInput(parseInferRequest(new TextEncoder().encode(JSON.stringify(body)), null), signature, "test");

describe("a model's input", () => {
  test("from any well-formed request is read, or refused as the client's fault", () => {
    const value = fc.oneof(
      fc.integer({ min: -3, max: 5 }),
      fc.double(),
      fc.string({ maxLength: 4 }),
      fc.boolean(),
      fc.constant(null),
    );
    const tensor = fc.record({
      datatype: fc.constantFrom(...TENSOR_DATATYPES),
      shape: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 3 }),
      data: fc.oneof(fc.array(value, { maxLength: 6 }), fc.array(fc.array(value, { maxLength: 3 }), { maxLength: 3 })),
    });
    const names = ["origin_code", "numbers", "origin", "hour", "distance", "other"];
    const body = fc
      .tuple(
        fc.subarray(names, { minLength: 1 }),
        fc.array(tensor, { minLength: 6, maxLength: 6 }),
        fc.constantFrom("columns", "tensors", undefined),
      )
      .map(([chosen, tensors, contentType]) => ({
        parameters: { content_type: contentType },
        inputs: chosen.map((name, i) => ({ name, ...tensors[i] })),
      }));
    const outcome = (request: object): string => {
      try {
        return `${read(request).tensors.length} tensors`;
      } catch (thrown) {
        return isFailure(thrown) && isClientFault(thrown) ? "refused" : String(thrown);
      }
    };
    fc.assert(
      fc.property(body, (request) => {
        expect(outcome(request)).toMatch(/^(2 tensors|refused)$/);
      }),
      { numRuns: 3000 },
    );
  });

  test.for(["INT64", "INT32"] as const)(
    "of %s places takes those of the vocabulary and names the first that is none",
    (datatype) => {
      const signature = modelSignatureSchema.parse({
        inputs: [
          {
            name: "codes",
            datatype,
            shape: [-1, 2],
            features: [3, 5].map((words, index) => ({
              kind: "category",
              column: `column ${index}`,
              vocabulary: Array.from({ length: words }, (_, word) => `w${word}`),
            })),
          },
        ],
        outputs: [{ name: "p", datatype: "FP32", shape: [-1] }],
        label: "late",
        prediction: { kind: "binary", output: "p" },
      });
      const places = (data: readonly number[]) =>
        read({ inputs: [{ name: "codes", datatype, shape: [data.length / 2, 2], data }] }, signature);
      expect(places([0, 0, 2, 4]).rowCount).toBe(2);
      const beyond = datatype === "INT64" ? 2 ** 32 : 2 ** 30;
      for (const [wrong, at, limit] of [
        [3, 2, 2],
        [-1, 3, 4],
        [beyond, 2, 2],
      ] as const) {
        const data = [0, 0, 0, 0];
        data[at] = wrong;
        expect(() => places(data)).toThrow(`element ${at} of input "codes" is ${wrong}, allowed: 0 to ${limit}`);
      }
    },
  );

  test("of tensor columns passes nested lists through", () => {
    const signature = modelSignatureSchema.parse({
      ...SIGNATURE,
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2, 2], features: [{ kind: "tensor", column: "image" }] }],
    });
    const image = {
      name: "image",
      datatype: "FP32",
      shape: [1, 2, 2],
      data: [
        [
          [1, 2],
          [3, 4],
        ],
      ],
    };
    expect(read({ inputs: [image] }, signature)).toMatchObject({
      rowCount: 1,
      tensors: [{ name: "x", datatype: "FP32", shape: [1, 2, 2], data: new Float32Array([1, 2, 3, 4]) }],
    });
  });

  test("of columns refuses whole numbers that a double cannot hold", () => {
    const column = (name: string, datatype: string, data: string) =>
      `{"name":"${name}","datatype":"${datatype}","shape":[1],"data":[${data}]}`;
    const body = (distance: string) =>
      `{"inputs":[${column("origin", "BYTES", '"JFK"')},${column("hour", "FP32", "1")},${column("distance", "INT64", distance)}]}`;
    const readText = (text: string) =>
      readModelInput(parseInferRequest(new TextEncoder().encode(text), null), SIGNATURE, "test");
    expect(readText(body("9007199254740991")).rowCount).toBe(1);
    expect(() => readText(body("9007199254740993"))).toThrow("9007199254740993");
  });
});
