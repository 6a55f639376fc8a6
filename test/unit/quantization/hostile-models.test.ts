import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isFailure } from "../../../contracts/failures.ts";
import type { QuantizationPassName } from "../../../contracts/names.ts";
import { quantizeModel, valuesToCalibrate } from "../../../core/quantization/quantize.ts";
import { quantizationPasses } from "../../../core/quantization/registry.ts";

const models = ["static.onnx", "mlp.onnx", "joined.onnx", "lstm.onnx"].map(
  (name) => new Uint8Array(readFileSync(new URL(`../../fixtures/onnx/${name}`, import.meta.url))),
);
/** Structure stands before and after the weights; most damage goes there. */
const place = fc.oneof(fc.nat(1800), fc.nat(100_000));
/** Varints a length may be replaced by: 2^63, 2^32, 2^31, and almost the whole of 64 bits. */
const LENGTHS = [2n ** 63n, 2n ** 32n, 2n ** 31n, 2n ** 64n - 1n].map(varint);

function varint(value: bigint): number[] {
  const bytes = [];
  for (let rest = value; rest > 0n || bytes.length === 0; rest >>= 7n) {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
  }
  return bytes;
}

/** "model" or the code of the failure; anything else escapes and fails the test. */
function outcome(bytes: Uint8Array, pass: QuantizationPassName): string {
  try {
    const values = valuesToCalibrate(bytes, pass, "m.onnx");
    const ranges = new Map(values.map((value) => [value, { low: -1, high: 1 }]));
    quantizeModel(bytes, pass, "m.onnx", { ranges });
    return "model";
  } catch (thrown) {
    if (!isFailure(thrown)) throw thrown;
    return thrown.code;
  }
}

describe.each(quantizationPasses.map(({ name }) => name))("%s gives a model or a failure of the catalogue", (pass) => {
  const answers = ["model", "MODEL_NOT_ONNX", "QUANTIZATION_UNSUPPORTED"];

  it("for a file with flipped bytes", () => {
    const edits = fc.array(fc.record({ at: place, value: fc.nat(255) }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.constantFrom(...models), edits, (source, changes) => {
        const bytes = source.slice();
        for (const { at, value } of changes) bytes[at % bytes.length] = value;
        expect(answers).toContain(outcome(bytes, pass));
      }),
      { numRuns: 200, seed: 6 },
    );
  });

  it("for a file that is cut", () => {
    fc.assert(
      fc.property(fc.constantFrom(...models), place, (source, at) => {
        expect(["MODEL_NOT_ONNX", "QUANTIZATION_UNSUPPORTED"]).toContain(
          outcome(source.subarray(0, at % source.length), pass),
        );
      }),
      { numRuns: 60, seed: 7 },
    );
  });

  it("for a file with a length of 2^63, 2^32 or 2^31 anywhere", () => {
    fc.assert(
      fc.property(fc.constantFrom(...models), place, fc.constantFrom(...LENGTHS), (source, at, length) => {
        const bytes = source.slice();
        bytes.set(length, at % (bytes.length - length.length));
        expect(answers).toContain(outcome(bytes, pass));
      }),
      { numRuns: 150, seed: 8 },
    );
  });
});
