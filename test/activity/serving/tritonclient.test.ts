import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { runGateway, type RunningGateway } from "../../unit/serving/running-gateway.ts";
import { expected, MemoryRoutes, Models, route } from "../../unit/serving/served-model.ts";

/** Without `all`, which adds CUDA for shared memory on GPUs. */
const PACKAGE = "tritonclient[http,grpc]==2.73.0";
const run = promisify(execFile);

interface Answers {
  readonly live: boolean;
  readonly ready: boolean;
  readonly models_ready: readonly boolean[];
  readonly server: object;
  readonly model: { readonly name: string; readonly inputs: readonly object[] };
  readonly probabilities: readonly (readonly number[])[];
  readonly id: string;
  readonly all_outputs: unknown;
  readonly compressed: readonly unknown[];
  readonly columns: readonly (readonly number[])[];
  readonly index: unknown;
  readonly statistics: {
    readonly model_stats: readonly {
      readonly inference_stats: { readonly success: { readonly count: number | string } };
    }[];
  };
  readonly refused: { readonly status: string; readonly message: string };
  readonly unknown: { readonly status: string };
}

const models = new Models();
let directory: string;
let running: RunningGateway;
let answers: Readonly<Record<"http" | "grpc", Answers>>;
/** Why tritonclient could not be had. */
let missing: string | null = null;

/** The interpreter of an environment of its own, outside the tree. */
async function installClient(): Promise<string> {
  await run("python3", ["-m", "venv", join(directory, "venv")]);
  const python = join(directory, "venv", "bin", "python");
  const options = ["--quiet", "--disable-pip-version-check", "--no-compile", "--only-binary", ":all:"];
  await run(python, ["-m", "pip", "install", ...options, PACKAGE], { timeout: 240_000 });
  return python;
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "modelwright-tritonclient-"));
  const python = await installClient().catch((problem: unknown) => {
    if (process.env["CI"] === "true") throw problem;
    const { message, stderr } = problem as { message: string; stderr?: string };
    missing = `NOT TESTED against tritonclient: ${(stderr?.trim() || message).split("\n").at(-1)}`;
    return null;
  });
  if (python === null) {
    console.warn(missing);
    return;
  }
  running = await runGateway(models, new MemoryRoutes(route(models.add(3, 0.1))));
  const program = fileURLToPath(new URL("./ask-with-tritonclient.py", import.meta.url));
  const { stdout } = await run(python, [program, new URL(running.url).host, running.gateway.grpcAddress]);
  answers = JSON.parse(stdout) as typeof answers;
}, 300_000);
afterAll(async () => {
  await running?.gateway.stop();
  models.remove();
  await rm(directory, { recursive: true, force: true });
});
beforeEach(({ skip }) => {
  if (missing !== null) skip(missing);
});

describe.each(["http", "grpc"] as const)("tritonclient over %s", (protocol) => {
  test("finds the server and its model", () => {
    const { live, ready, models_ready, server, model, index } = answers[protocol];
    expect({ live, ready, models_ready }).toEqual({
      live: true,
      ready: true,
      models_ready: [true, true, false, false],
    });
    expect(server).toEqual({ name: "modelwright", version: "0.1.0", extensions: ["binary_tensor_data", "statistics"] });
    expect(model).toMatchObject({ name: "delay", versions: ["3"], platform: "onnx_onnxv1" });
    expect(model.inputs).toMatchObject([
      { name: "origin_code", datatype: "INT64" },
      { name: "numbers", datatype: "FP32" },
    ]);
    const entry = expect.objectContaining({ name: "delay", version: "3", state: "READY" }) as unknown;
    expect(index).toEqual(protocol === "http" ? [entry] : { models: [entry] });
  });

  test("gets what the model computes, however it asks", () => {
    const { probabilities, all_outputs, compressed, columns, id } = answers[protocol];
    const computed = [expected(0.1, 0, 1, 0.5), expected(0.1, 2, -1, 2)];
    for (const [i, [value]] of probabilities.entries()) expect(value).toBeCloseTo(computed[i]!, 6);
    expect(probabilities.length).toBe(2);
    expect([all_outputs, ...compressed]).toEqual([probabilities, probabilities, probabilities]);
    // Encoded as in training: 18 is a deviation above the mean hour, 800 the mean distance.
    expect(columns[0]![0]).toBeCloseTo(expected(0.1, 1, 1, 0), 6);
    expect(columns[1]![0]).toBeCloseTo(expected(0.1, 3, -1, -1), 6);
    expect(id).toBe("triton");
  });

  test("reads its counts and its errors", () => {
    const { statistics, refused, unknown } = answers[protocol];
    expect(Number(statistics.model_stats[0]!.inference_stats.success.count)).toBe(protocol === "http" ? 5 : 10);
    expect(refused.message).toContain('input "numbers" is missing');
    const statuses = { http: ["400", "404"], grpc: ["StatusCode.INVALID_ARGUMENT", "StatusCode.NOT_FOUND"] };
    expect([refused.status, unknown.status]).toEqual(statuses[protocol]);
  });
});
