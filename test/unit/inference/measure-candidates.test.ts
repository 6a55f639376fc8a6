import { describe, expect, it } from "vitest";
import { measureCandidates, type NamedModel } from "../../../adapters/inference/measure-candidates.ts";
import type { LoadedModel } from "../../../adapters/inference/load-model.ts";
import { openSession } from "../../../adapters/inference/session.ts";
import type { ColumnBatch } from "../../../contracts/data.ts";
import { buildGraph } from "../../../core/onnx/build.ts";
import { inspectModel } from "../../../core/onnx/inspect.ts";
import { serializeModel } from "../../../core/onnx/model.ts";
import { modelSignatureSchema } from "../../../contracts/signature.ts";
import { digestOf } from "./small-model.ts";

const signature = modelSignatureSchema.parse({
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 1], features: [{ kind: "number", column: "x" }] }],
  outputs: [
    { name: "probability", datatype: "FP32", shape: [-1, 1] },
    { name: "extra", datatype: "FP32", shape: [-1, 1] },
  ],
  label: "late",
  prediction: { kind: "binary", output: "probability" },
});
const rows: ColumnBatch[] = [
  { rowCount: 3, columns: new Map([["x", { kind: "number", values: Float64Array.of(-1, 0, 2) }]]) },
];

/** Sigmoid(factor x) beside an output of another operator. */
async function model(name: string, factor: number, extra: string): Promise<NamedModel> {
  const graph = buildGraph(name);
  const x = graph.input("x", "FP32", ["batch", 1]);
  graph.add("Sigmoid", [graph.add("Mul", [x, graph.floats("factor", [1], [factor])])], {}, { output: "probability" });
  graph.add(extra, [x], {}, { output: "extra" });
  for (const output of ["probability", "extra"]) graph.output(output, "FP32", ["batch", 1]);
  const bytes = serializeModel(graph.model());
  const digest = digestOf(bytes);
  const session = await openSession({ model: bytes, digest });
  const loaded: LoadedModel = { session, signature, digest, facts: inspectModel(bytes, name), bytes };
  return { name, model: loaded, batchInvariant: true };
}
const measure = (...models: [NamedModel, ...NamedModel[]]) => measureCandidates(models, { rows, where: "rows.csv" });

describe("measured candidates", () => {
  it("leave one out that gives NaN, as prediction or beside it, and say why", async () => {
    const { candidates, failed } = await measure(
      await model("fp32", 1, "Abs"),
      await model("nan", Number.NaN, "Abs"),
      await model("beside", 1, "Log"),
      await model("same", 1.01, "Abs"),
    );
    expect(candidates.map(({ name }) => name)).toEqual(["fp32", "same"]);
    expect(failed.map(({ name }) => name)).toEqual(["nan", "beside"]);
    expect(failed[0]!.reason).toContain("3 of its outputs are not finite numbers");
    expect(failed[1]!.reason).toContain("2 of its outputs are not finite numbers");
  });

  it("allow an infinity beside the prediction where fp32 gives it too", async () => {
    const { candidates } = await measure(await model("fp32", 1, "Log"), await model("same", 1.01, "Log"));
    expect(candidates.map(({ name }) => name)).toEqual(["fp32", "same"]);
    expect(candidates[1]!.batchInvariance).toMatchObject({ byDesign: true, rowCount: 3 });
    expect(candidates[1]!.batchInvariance.maximumDifference).toBeLessThan(1e-6);
  });

  it("fail when fp32 itself gives no prediction", async () => {
    await expect(measure(await model("fp32", Number.NaN, "Abs"))).rejects.toMatchObject({ code: "MODEL_SIGNATURE" });
  });
});
