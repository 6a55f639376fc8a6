import { describe, expect, it } from "vitest";
import { createComparer } from "../../../adapters/inference/compare-outputs.ts";
import { measureInvariance, measureWays, type NamedModel } from "../../../adapters/inference/measure-candidates.ts";
import type { LoadedModel } from "../../../adapters/inference/load-model.ts";
import { openSession } from "../../../adapters/inference/session.ts";
import type { ColumnBatch } from "../../../contracts/data.ts";
import { isFailure } from "../../../contracts/failures.ts";
import { constraintsSchema } from "../../../contracts/optimization.ts";
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

/** What comparing each model with the first comes to: its agreement, or why it is out. */
async function compare(original: NamedModel, ...others: NamedModel[]) {
  const constraints = constraintsSchema.parse({});
  const comparer = await createComparer({
    original: original.model,
    rows,
    proxyRows: 16,
    constraints,
    where: "rows.csv",
  });
  const answers = [];
  for (const { name, model: other } of others) {
    try {
      answers.push((await comparer.compare(name, other, "full")).agreement.sameDecisionShare);
    } catch (thrown) {
      if (!isFailure(thrown)) throw thrown;
      answers.push(thrown.message);
    }
  }
  return answers;
}

describe("a candidate's outputs", () => {
  it("that are NaN, as prediction or beside it, leave it out, and say why", async () => {
    const [nan, beside, same] = await compare(
      await model("fp32", 1, "Abs"),
      await model("nan", Number.NaN, "Abs"),
      await model("beside", 1, "Log"),
      await model("same", 1.01, "Abs"),
    );
    expect(nan).toContain("3 of its outputs are not finite numbers");
    expect(beside).toContain("2 of its outputs are not finite numbers");
    expect(same).toBe(1);
  });

  it("may hold an infinity beside the prediction where fp32 gives it too", async () => {
    expect(await compare(await model("fp32", 1, "Log"), await model("same", 1.01, "Log"))).toEqual([1]);
  });

  it("are compared with nothing when fp32 itself gives no prediction", async () => {
    await expect(compare(await model("fp32", Number.NaN, "Abs"))).rejects.toMatchObject({ code: "MODEL_SIGNATURE" });
  });

  it("of a row owe nothing to the rows beside it in a network without dynamic quantization", async () => {
    const named = await model("fp32", 1, "Abs");
    const together = Float64Array.of(1 / (1 + Math.E), 0.5, 1 / (1 + Math.exp(-2)));
    const found = await measureInvariance(named, { rows: rows[0]!, together, where: "rows.csv" });
    expect(found).toMatchObject({ byDesign: true, rowCount: 3 });
    expect(found.maximumDifference).toBeLessThan(1e-6);
  });
});

it("every batch size is timed on every number of threads, each once, for each model", async () => {
  const models = [await model("fp32", 1, "Abs"), await model("same", 1, "Abs")] as const;
  const ways = { batches: [1, 8, 1], threads: [1, 2], rows: rows[0]!, where: "rows.csv" };
  const latencies = await measureWays([...models], ways);
  const told = latencies.map((runs) => runs.map(({ batch, threads }) => `${batch} on ${threads}`));
  expect(told).toEqual([told[0], ["1 on 1", "8 on 1", "1 on 2", "8 on 2"]]);
  for (const { p50Ms, p95Ms } of latencies.flat()) expect(p95Ms).toBeGreaterThanOrEqual(p50Ms);
});
