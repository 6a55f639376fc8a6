import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { driftReportSchema } from "../../../contracts/drift.ts";
import { evaluationReportSchema } from "../../../contracts/evaluation.ts";
import { optimizationReportSchema } from "../../../contracts/optimization.ts";
import { validationReportSchema } from "../../../contracts/data.ts";
import { parseModel, serializeModel } from "../../../core/onnx/model.ts";
import { writeCustomers } from "./customers.ts";
import { runCli } from "./run-cli.ts";

let directory: string;
const run = (...words: string[]) => runCli(words, directory);
const at = (...names: string[]) => join(directory, ...names);
const sizeOf = async (...names: string[]) => (await stat(at(...names))).size;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "modelwright-cli-"));
  await writeCustomers(directory);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** The one JSON document of an answer; fails when anything else stands on standard output. */
function documentOf({ output }: { readonly output: string }): {
  verdict?: string;
  report: unknown;
  files: Record<string, string>;
} {
  return JSON.parse(output) as ReturnType<typeof documentOf>;
}

describe("the core alone on plain files, without any stack", () => {
  it("validates data that is in order: exit 0, a table, and a page that loads nothing from elsewhere", async () => {
    const ended = await run("validate", "train.csv", "--against", "test.csv", "--label", "left", "--out", "checked");
    expect(ended).toMatchObject({ exitCode: 0, errors: "" });
    expect(ended.output).toMatch(/^pass {2}\d+ checks · training 8,000 rows, 4 columns/);
    const page = await readFile(at("checked", "validation.html"), "utf8");
    expect(page).toContain("<!doctype html>");
    expect(page).not.toMatch(/<script|src="http|href="http/);
  });

  it("exits 2 and names the check when data fails it", async () => {
    await writeFile(at("strict.yaml"), "minimumRows: 8001\n");
    const words = ["validate", "train.csv", "--label", "left", "--checks", "strict.yaml", "--json"];
    const ended = await run(...words);
    expect(ended).toMatchObject({ exitCode: 2, errors: "" });
    const report = validationReportSchema.parse(documentOf(ended).report);
    expect(report.checks.filter(({ verdict }) => verdict === "fail").map(({ check }) => check)).toEqual(["row-count"]);
    expect(await readFile(at("modelwright-report", "validation.json"), "utf8")).toContain('"verdict": "fail"');
  });

  it("evaluates a model by the gates typed, by slice and against a champion", async () => {
    const gates = ["--gate", "roc-auc>=0.7", "--gate", "log-loss<=champion+0.05", "--gate", "roc-auc>=0.6@every-slice"];
    const words = ["evaluate", "model.onnx", "--data", "test.csv", "--slice", "plan", "--out", "judged"];
    const champion = ["--champion", "elsewhere/model.onnx", "--champion-signature", "signature.json"];
    const ended = await run(...words, ...gates, ...champion, "--json");
    expect(ended).toMatchObject({ exitCode: 0, errors: "" });
    const report = evaluationReportSchema.parse(documentOf(ended).report);
    expect(report.gates.map(({ verdict }) => verdict)).toEqual(["pass", "pass", "pass"]);
    expect(report.slices.map(({ value }) => value).toSorted()).toEqual(["basic", "plus"]);
    expect(report.comparison.map(({ metric }) => metric)).toContain("log-loss");
    expect(await sizeOf("judged", "evaluation.html")).toBeGreaterThan(10_000);
  });

  it("judges by the default gate when none is named, and exits 2 for one that fails or that too few rows leave open", async () => {
    const words = ["evaluate", "model.onnx", "--data", "test.csv", "--out"];
    const passed = await run(...words, "default", "--json");
    expect(passed.exitCode).toBe(0);
    const { gates } = evaluationReportSchema.parse(documentOf(passed).report);
    expect(gates.map(({ gate }) => gate)).toEqual([{ metric: "roc-auc", atLeast: 0.5, rows: "overall" }]);
    // A bound right at the estimate lies inside its interval, so the gate is neither kept nor broken.
    const observed = gates[0]?.observed;
    const estimate = observed?.kind === "estimate" ? observed.estimate : Number.NaN;
    const [open, failed] = await Promise.all([
      run(...words, "open", "--gate", `roc-auc>=${estimate}`),
      run(...words, "failed", "--gate", "roc-auc>=0.99"),
    ]);
    expect([open.exitCode, open.output.split(" ")[0]]).toEqual([2, "inconclusive"]);
    expect([failed.exitCode, failed.output.split(" ")[0]]).toEqual([2, "fail"]);
  });

  it("makes a quarter-size candidate, measures it and leaves it as a file", async () => {
    const ended = await run(
      "optimize",
      "model.onnx",
      "--data",
      "test.csv",
      "--objective",
      "size",
      "--out",
      "smaller",
      "--json",
    );
    expect(ended).toMatchObject({ exitCode: 0, errors: "" });
    const report = optimizationReportSchema.parse(documentOf(ended).report);
    expect(report.candidates.map(({ name }) => name)).toEqual(["fp32", "dynamic-int8"]);
    expect((await sizeOf("smaller", "dynamic-int8.onnx")) / (await sizeOf("smaller", "fp32.onnx"))).toBeLessThan(0.35);
    expect(await sizeOf("smaller", "optimization.html")).toBeGreaterThan(1000);
  });

  it("takes a model whose weights are in another file, measures it as one file, and refuses one that points elsewhere", async () => {
    const model = parseModel(new Uint8Array(await readFile(at("model.onnx"))), "model");
    const deep = model.graph!.initializers.find(({ name }) => name === "deep")!;
    const bytes = deep.rawData!;
    const save = async (location: string) => {
      const outside = { ...deep, externalData: [{ key: "location", value: location }], dataLocation: 1 };
      delete outside.rawData;
      const initializers = model.graph!.initializers.map((tensor) => (tensor === deep ? outside : tensor));
      await writeFile(
        at("parts", "model.onnx"),
        serializeModel({ ...model, graph: { ...model.graph!, initializers } }),
      );
    };
    await mkdir(at("parts"));
    await writeFile(at("parts", "deep.bin"), bytes);
    await save("deep.bin");
    const words = [
      "optimize",
      "parts/model.onnx",
      "--signature",
      "signature.json",
      "--data",
      "test.csv",
      "--budget",
      "1",
    ];
    const ended = await run(...words, "--out", "joined", "--json");
    expect(ended).toMatchObject({ exitCode: 0, errors: "" });
    expect(Buffer.compare(await readFile(at("joined", "fp32.onnx")), await readFile(at("model.onnx")))).toBe(0);
    await save("../deep.bin");
    const refused = await run(...words, "--out", "refused");
    expect(refused.exitCode).toBe(1);
    expect(refused.errors).toContain('tensor "deep" has its data in "../deep.bin"');
  });

  it("finds the column that moved and the score with it (exit 2), and nothing in a second sample (exit 0)", async () => {
    const columns = ["--columns", "age,plan,(score)", "--model", "model.onnx"];
    const tests = ["kolmogorov-smirnov", "null-rate", "new-category-rate"];
    const [moved, same] = await Promise.all([
      run("drift", "train.csv", "moved.csv", ...columns, "--out", "moved", "--json"),
      run("drift", "train.csv", "test.csv", "--columns", "age,plan", "--test", ...tests, "--out", "same"),
    ]);
    expect(moved).toMatchObject({ exitCode: 2, errors: "" });
    expect(driftReportSchema.parse(documentOf(moved).report).driftedColumns.toSorted()).toEqual(["(score)", "age"]);
    expect(same).toMatchObject({ exitCode: 0, errors: "" });
    expect(same.output).toMatch(/^stable {2}test\.csv against train\.csv · 6,000 rows against 8,000/);
  });
});

describe("what a wrong call gets", () => {
  it.each([
    ["FILE_MISSING", ["validate", "nowhere.csv"]],
    ["MODEL_NOT_ONNX", ["evaluate", "train.csv", "--data", "test.csv", "--signature", "signature.json"]],
    ["REFERENCE_INVALID", ["lineage", "model/x' OR 1=1 --@1"]],
    ["STACK_UNREACHABLE", ["status", "\u202E\u0007'; DROP"]],
    ["SPEC_INVALID", ["start", "signature.json"]],
  ])("is %s as the one JSON document, with exit code 1", async (code, words) => {
    const ended = await run(...words, "--json");
    expect(ended).toMatchObject({ exitCode: 1, errors: "" });
    expect(JSON.parse(ended.output)).toMatchObject({ error: { code, fields: expect.any(Object) as object } });
  });

  it("is for people how to write a signature, with the model's own inputs and no stack trace", async () => {
    const ended = await run("evaluate", "elsewhere/model.onnx", "--data", "test.csv");
    expect(ended).toMatchObject({ exitCode: 1, output: "" });
    expect(ended.errors).toMatch(/^error INPUT_INVALID: elsewhere\/model\.onnx: the model has no signature/);
    expect(ended.errors).toContain("features FP32 [-1, 2]");
    expect(ended.errors).not.toMatch(/\n\s+at /);
  });

  it("is commander's complaint and exit code 1 for a verb that is none", async () => {
    const ended = await run("validat", "train.csv");
    expect(ended).toMatchObject({ exitCode: 1, output: "" });
    expect(ended.errors).toContain("Did you mean validate?");
  });

  it("plans a spec's rollout: exit 0 when it concludes, 2 with what would help when it does not", async () => {
    const spec = fileURLToPath(new URL("../../../examples/flight-delay/lifecycle.yaml", import.meta.url));
    const busy = await run("plan", spec, "--traffic", "50");
    expect(busy).toMatchObject({ exitCode: 0, errors: "" });
    expect(busy.output).toMatch(/^pass {2}a healthy canary typically needs \d+ s at 50 requests\/s/);
    const quiet = await run("plan", spec, "--traffic", "5", "--base-rate", "wrong-label-rate=0.3", "--json");
    expect(quiet).toMatchObject({ exitCode: 2, errors: "" });
    expect(JSON.parse(quiet.output)).toMatchObject({
      concludes: false,
      sources: { requestsPerSecond: "given", wrongShare: "given", errorShare: "assumed" },
      remedies: [
        { change: "deadlineMs" },
        { change: "steps" },
        { change: "minimumRequestsPerStep" },
        { change: "traffic" },
      ],
    });
    const unknown = await run("plan", spec, "--traffic", "5", "--base-rate", "errors=0.1");
    expect(unknown).toMatchObject({ exitCode: 1, output: "" });
    expect(unknown.errors).toContain("error-rate, latency, wrong-label-rate");
  });
});
