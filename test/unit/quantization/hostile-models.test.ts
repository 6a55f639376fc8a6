import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { isFailure } from "../../../contracts/failures.ts";
import { quantizeModel, valuesToCalibrate } from "../../../core/quantization/quantize.ts";
import { quantizationPasses } from "../../../core/quantization/registry.ts";

const models = ["static.onnx", "mlp.onnx"].map(
  (name) => new Uint8Array(readFileSync(new URL(`../../fixtures/onnx/${name}`, import.meta.url))),
);
/** Structure stands before and after the weights; most flips go there. */
const place = fc.oneof(fc.nat(1800), fc.nat(100_000));

it.each(quantizationPasses.map(({ name }) => name))(
  "%s gives a model or a failure of the catalogue for a file with flipped bytes",
  (pass) => {
    const edits = fc.array(fc.record({ at: place, value: fc.nat(255) }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.constantFrom(...models), edits, (source, changes) => {
        const bytes = source.slice();
        for (const { at, value } of changes) bytes[at % bytes.length] = value;
        let outcome = "model";
        try {
          const values = valuesToCalibrate(bytes, pass, "m.onnx");
          const ranges = new Map(values.map((value) => [value, { low: -1, high: 1 }]));
          quantizeModel(bytes, pass, "m.onnx", { ranges, reduceRange: false });
        } catch (thrown) {
          if (!isFailure(thrown)) throw thrown;
          outcome = thrown.code;
        }
        expect(["model", "MODEL_NOT_ONNX", "QUANTIZATION_UNSUPPORTED"]).toContain(outcome);
      }),
      { numRuns: 200, seed: 6 },
    );
  },
);
