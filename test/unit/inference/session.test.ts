import { describe, expect, it } from "vitest";
import { openSession } from "../../../adapters/inference/session.ts";
import { zeroTensors } from "../../../adapters/inference/zero-tensors.ts";
import type { Tensor } from "../../../contracts/data.ts";
import { TENSOR_DATATYPES, type TensorDatatype } from "../../../contracts/signature.ts";
import { buildGraph } from "../../../core/onnx/build.ts";
import { detachData } from "../../../core/onnx/external-data.ts";
import { parseModel, serializeModel } from "../../../core/onnx/model.ts";
import { buildModel, digestOf, signature } from "./small-model.ts";

/** A model that gives back its input. */
function identity(datatype: TensorDatatype): Uint8Array {
  const graph = buildGraph("identity");
  graph.add("Identity", [graph.input("x", datatype, ["batch"])], {}, { output: "y" });
  graph.output("y", datatype, ["batch"]);
  return serializeModel(graph.model());
}

const VALUES: Record<TensorDatatype, Tensor["data"]> = {
  BOOL: Uint8Array.of(0, 1),
  UINT8: Uint8Array.of(0, 255),
  UINT16: Uint16Array.of(0, 65_535),
  UINT32: Uint32Array.of(0, 4_294_967_295),
  UINT64: BigUint64Array.of(0n, 2n ** 64n - 1n),
  INT8: Int8Array.of(-128, 127),
  INT16: Int16Array.of(-32_768, 32_767),
  INT32: Int32Array.of(-(2 ** 31), 2 ** 31 - 1),
  INT64: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n),
  FP16: Uint16Array.of(0x3c00, 0xc000),
  BF16: Uint16Array.of(0x3f80, 0x0001),
  FP32: Float32Array.of(1.5, -0.1),
  FP64: Float64Array.of(0.1, -1e300),
  BYTES: ["flight", "späť ✈"],
};

describe("openSession", () => {
  it("reads detached constants from the bytes the model came from, and gives the same", async () => {
    // Not where their memory begins: a file read into a larger buffer lies like this.
    const bytes = new Uint8Array(100_000).subarray(3, 3 + buildModel({ width: 64 }).length);
    bytes.set(buildModel({ width: 64 }));
    const graph = detachData(parseModel(bytes, "m"), bytes);
    expect(graph.length).toBeLessThan(bytes.length / 4);
    const whole = await openSession({ model: bytes, digest: null, isBrief: true });
    const apart = await openSession({ model: graph, data: bytes, digest: null, isBrief: true });
    const [origin, numbers] = zeroTensors(signature, 3);
    const tensors = [origin!, { ...numbers!, data: Float32Array.of(1, -2, 3, 0.5, 0, 7) }];
    expect(await apart.run(tensors)).toEqual(await whole.run(tensors));
    await Promise.all([whole.close(), apart.close()]);
    await expect(openSession({ model: graph, digest: null })).rejects.toMatchObject({ code: "INFERENCE_FAILED" });
  });

  it.each(TENSOR_DATATYPES)("carries %s in and out without loss", async (datatype) => {
    const model = identity(datatype);
    const session = await openSession({ model, digest: digestOf(model) });
    const [output] = await session.run([{ name: "x", datatype, shape: [2], data: VALUES[datatype] }]);
    expect(output).toEqual({ name: "y", datatype, shape: [2], data: VALUES[datatype] });
    await session.close();
  });
  it("names inputs and outputs in the model's order", async () => {
    const model = buildModel();
    const session = await openSession({ model, digest: digestOf(model) });
    expect(session.inputs).toEqual(["origin", "numbers"]);
    expect(session.outputs).toEqual(["probability"]);
    const [output] = await session.run(zeroTensors(signature, 3));
    expect(output).toMatchObject({ name: "probability", datatype: "FP32", shape: [3, 1] });
  });
  it("opens no bytes but those of the announced digest", async () => {
    const model = buildModel();
    await expect(openSession({ model, digest: digestOf("other") })).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
  });
  it("tells broken bytes from a model it cannot run", async () => {
    const broken = buildModel().slice(0, 100);
    await expect(openSession({ model: broken, digest: digestOf(broken) })).rejects.toMatchObject({
      code: "MODEL_NOT_ONNX",
    });
    const graph = buildGraph("unknown");
    graph.add("NoSuchOperator", [graph.input("x", "FP32", ["batch"])], {}, { output: "y" });
    graph.output("y", "FP32", ["batch"]);
    const unknown = serializeModel(graph.model());
    await expect(openSession({ model: unknown, digest: digestOf(unknown) })).rejects.toMatchObject({
      code: "INFERENCE_FAILED",
    });
  });
  it("fails a run with inputs the model does not have, and goes on", async () => {
    const model = buildModel();
    const session = await openSession({ model, digest: digestOf(model) });
    await expect(session.run([])).rejects.toMatchObject({ code: "INFERENCE_FAILED" });
    const [origin, numbers] = zeroTensors(signature, 2);
    const outside = { ...origin!, data: BigInt64Array.of(0n, 99n) };
    await expect(session.run([outside, numbers!])).rejects.toMatchObject({ code: "INFERENCE_FAILED" });
    await expect(session.run([origin!, numbers!])).resolves.toHaveLength(1);
  });
});
