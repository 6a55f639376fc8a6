import { describe, expect, it } from "vitest";
import type { Tensor } from "../../../contracts/data.ts";
import { numberToHalf } from "../../../core/onnx/half.ts";
import { judgeGolden } from "../../../core/quantization/judge-golden.ts";

const allowed = { minimumSignalToNoiseDb: 40, maximumDifferingShare: 0.1 };
const floats = (values: readonly number[], name = "y"): Tensor => ({
  name,
  datatype: "FP32",
  shape: [values.length, 1],
  data: Float32Array.from(values),
});
const labels = (values: readonly number[]): Tensor => ({
  name: "label",
  datatype: "INT64",
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
});
const ten = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

describe("judging golden rows", () => {
  it("takes equal outputs, and floats as near as is allowed", () => {
    expect(judgeGolden([floats(ten)], [floats(ten)], allowed)).toEqual({ holds: true, found: 'output "y" is equal' });
    const near = ten.map((value) => value * 1.009);
    expect(judgeGolden([floats(ten)], [floats(near)], allowed)).toEqual({
      holds: true,
      found: 'output "y" is at 40.9 dB',
    });
    expect(judgeGolden([floats(ten)], [floats(ten.map((value) => value * 1.011))], allowed).holds).toBe(false);
  });

  it("judges every output for itself: large numbers do not drown the noise of small ones", () => {
    const large = floats(
      ten.map((value) => value * 1e6),
      "large",
    );
    const found = [floats(ten.map((value) => -value)), large];
    expect(judgeGolden([large, floats(ten)], found, allowed)).toEqual({
      holds: false,
      found: 'output "y" is at -6 dB',
    });
  });

  it("reads half precision as numbers", () => {
    const half = (values: readonly number[]): Tensor => ({
      name: "y",
      datatype: "FP16",
      shape: [values.length],
      data: Uint16Array.from(values, numberToHalf),
    });
    expect(judgeGolden([half(ten)], [half(ten.map((value) => value * 1.001))], allowed).holds).toBe(true);
    expect(judgeGolden([half(ten)], [half(ten.map((value) => value * 1.1))], allowed).holds).toBe(false);
  });

  it("takes NaN and infinities where they were, and nowhere else", () => {
    const odd = [NaN, Infinity, ...ten];
    expect(judgeGolden([floats(odd)], [floats(odd)], allowed).holds).toBe(true);
    expect(judgeGolden([floats(odd)], [floats([NaN, -Infinity, ...ten])], allowed).holds).toBe(false);
    expect(judgeGolden([floats([0, ...ten])], [floats([NaN, ...ten])], allowed).holds).toBe(false);
  });

  it("counts the elements of outputs that are no floats", () => {
    const found = judgeGolden([labels(ten)], [labels([0, ...ten.slice(1)])], allowed);
    expect(found).toEqual({ holds: true, found: 'output "label" differs in 1 of 10 elements' });
    expect(judgeGolden([labels(ten)], [labels([0, 0, ...ten.slice(2)])], allowed).holds).toBe(false);
  });

  it("refuses an output that is missing or has another shape", () => {
    expect(judgeGolden([floats(ten)], [], allowed)).toEqual({ holds: false, found: 'output "y" is missing' });
    expect(judgeGolden([floats(ten)], [floats(ten.slice(1))], allowed)).toEqual({
      holds: false,
      found: 'output "y" is FP32 [9, 1]',
    });
  });
});
