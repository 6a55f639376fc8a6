import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildGraph } from "../../../core/onnx/build.ts";
import { serializeModel } from "../../../core/onnx/model.ts";

let directory: string;
let path: string;
const program = fileURLToPath(new URL("model-memory.ts", import.meta.url));

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "modelwright-memory-"));
  path = join(directory, "model.onnx");
  const graph = buildGraph("large");
  const [layers, width] = [16, 1024];
  let row = graph.input("x", "FP32", ["batch", width]);
  for (let layer = 0; layer < layers; layer++) {
    const weights = Float32Array.from({ length: width * width }, (_, at) => ((at * 7 + layer) % 251) / 251 - 0.5);
    row = graph.add("Relu", [graph.add("MatMul", [row, graph.floats(`w${layer}`, [width, width], weights)])]);
  }
  graph.add("Identity", [row], {}, { output: "y" });
  graph.output("y", "FP32", ["batch", width]);
  writeFileSync(path, serializeModel(graph.model()));
});
afterAll(() => rmSync(directory, { recursive: true }));

it.each(["dynamic-int8", "static-int8", "store-f16", "store-int8", "weight-only-int4"])(
  "%s takes at most three times the file in memory, the file itself included",
  (pass) => {
    const output = execFileSync(process.execPath, ["--import", "tsx", program, path, pass], { encoding: "utf8" });
    expect(Number(output)).toBeGreaterThan(1);
    expect(Number(output)).toBeLessThan(3);
  },
);
