import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

it("ONNX Runtime runs without its telemetry, which would leave a log in the temporary folder", async () => {
  const temporary = await mkdtemp(join(tmpdir(), "telemetry-"));
  const module = (path: string) => JSON.stringify(new URL(`../../../${path}`, import.meta.url).href);
  const script = `
    import { createHash } from "node:crypto";
    import { openSession } from ${module("adapters/inference/session.ts")};
    import { buildGraph } from ${module("core/onnx/build.ts")};
    import { serializeModel } from ${module("core/onnx/model.ts")};
    const graph = buildGraph("tiny");
    const x = graph.input("x", "FP32", ["batch", 1]);
    graph.add("Sigmoid", [x], {}, { output: "probability" });
    graph.output("probability", "FP32", ["batch", 1]);
    const model = serializeModel(graph.model());
    const opened = await openSession({ model, digest: createHash("sha256").update(model).digest("hex") });
    console.log(opened.inputs.length);
    await opened.close();
  `;
  const { ORT_DISABLE_TELEMETRY: _, ...env } = process.env;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "--eval", script],
    { env: { ...env, TMPDIR: temporary }, cwd: fileURLToPath(new URL("../../../", import.meta.url)) },
  );
  expect(stdout.trim()).toBe("1");
  expect((await readdir(temporary)).filter((name) => name.startsWith("mat-debug"))).toEqual([]);
  await rm(temporary, { recursive: true, force: true });
});
