import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { runGateway, type RunningGateway } from "../../unit/serving/running-gateway.ts";
import { expected, MemoryRoutes, Models, route } from "../../unit/serving/served-model.ts";

/** tritonclient without `all`, which adds CUDA for shared memory on GPUs. */
const PACKAGES = ["tritonclient[http,grpc]==2.73.0", "kserve==0.21.0"];
const run = promisify(execFile);

interface TritonAnswers {
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

interface KserveAnswers {
  readonly live: boolean;
  readonly ready: boolean;
  readonly models_ready: readonly boolean[];
  readonly answers: readonly {
    readonly id: string;
    readonly version: string | null;
    readonly probabilities: readonly (readonly number[])[];
  }[];
  readonly epoch: string;
  readonly refused: { readonly status: string; readonly message: string };
  readonly unknown: { readonly status: string };
}

const COMPUTED = [expected(0.1, 0, 1, 0.5), expected(0.1, 2, -1, 2)];

const models = new Models();
let directory: string;
let running: RunningGateway;
let triton: Readonly<Record<"http" | "grpc", TritonAnswers>>;
let kserve: Readonly<Record<"rest" | "grpc", KserveAnswers>>;
/** Why the clients could not be had. */
let missing: string | null = null;

/** The interpreter of an environment of its own, outside the tree. */
async function installClients(): Promise<string> {
  await run("python3", ["-m", "venv", join(directory, "venv")]);
  const python = join(directory, "venv", "bin", "python");
  const options = ["--quiet", "--disable-pip-version-check", "--no-compile", "--only-binary", ":all:"];
  await run(python, ["-m", "pip", "install", ...options, ...PACKAGES], { timeout: 240_000 });
  return python;
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "modelwright-clients-"));
  const python = await installClients().catch((problem: unknown) => {
    if (process.env["CI"] === "true") throw problem;
    const { message, stderr } = problem as { message: string; stderr?: string };
    missing = `NOT TESTED against tritonclient and kserve: ${(stderr?.trim() || message).split("\n").at(-1)}`;
    return null;
  });
  if (python === null) {
    console.warn(missing);
    return;
  }
  running = await runGateway(models, new MemoryRoutes(route(models.add(3, 0.1))));
  const ask = async (program: string, address: string): Promise<unknown> => {
    const path = fileURLToPath(new URL(program, import.meta.url));
    const { stdout } = await run(python, [path, address, running.gateway.grpcAddress]);
    return JSON.parse(stdout);
  };
  triton = (await ask("./ask-with-tritonclient.py", new URL(running.url).host)) as typeof triton;
  kserve = (await ask("./ask-with-kserve.py", running.url)) as typeof kserve;
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
    const { live, ready, models_ready, server, model, index } = triton[protocol];
    expect({ live, ready, models_ready }).toEqual({
      live: true,
      ready: true,
      models_ready: [true, true, false, false],
    });
    expect(server).toEqual({
      name: "modelwright",
      version: "0.1.0",
      extensions: ["binary_tensor_data", "statistics", "model_repository"],
    });
    expect(model).toMatchObject({ name: "delay", versions: ["3"], platform: "onnx_onnxv1" });
    expect(model.inputs).toMatchObject([
      { name: "origin_code", datatype: "INT64" },
      { name: "numbers", datatype: "FP32" },
    ]);
    const entry = expect.objectContaining({ name: "delay", version: "3", state: "READY" }) as unknown;
    expect(index).toEqual(protocol === "http" ? [entry] : { models: [entry] });
  });

  test("gets what the model computes, however it asks", () => {
    const { probabilities, all_outputs, compressed, columns, id } = triton[protocol];
    for (const [i, [value]] of probabilities.entries()) expect(value).toBeCloseTo(COMPUTED[i]!, 6);
    expect(probabilities.length).toBe(2);
    expect([all_outputs, ...compressed]).toEqual([probabilities, probabilities, probabilities]);
    // Encoded as in training: 18 is a deviation above the mean hour, 800 the mean distance.
    expect(columns[0]![0]).toBeCloseTo(expected(0.1, 1, 1, 0), 6);
    expect(columns[1]![0]).toBeCloseTo(expected(0.1, 3, -1, -1), 6);
    expect(id).toBe("triton");
  });

  test("reads its counts and its errors", () => {
    const { statistics, refused, unknown } = triton[protocol];
    expect(Number(statistics.model_stats[0]!.inference_stats.success.count)).toBe(protocol === "http" ? 5 : 10);
    expect(refused.message).toContain('input "numbers" is missing');
    const statuses = { http: ["400", "404"], grpc: ["StatusCode.INVALID_ARGUMENT", "StatusCode.NOT_FOUND"] };
    expect([refused.status, unknown.status]).toEqual(statuses[protocol]);
  });
});

describe.each(["rest", "grpc"] as const)("KServe's client over %s", (protocol) => {
  test("finds the server and its model", () => {
    const { live, ready, models_ready } = kserve[protocol];
    expect({ live, ready, models_ready }).toEqual({ live: true, ready: true, models_ready: [true, false] });
  });

  test("gets what the model computes, in typed and in binary data", () => {
    const { answers, epoch } = kserve[protocol];
    expect(answers.length).toBe(protocol === "rest" ? 3 : 2);
    for (const { id, version, probabilities } of answers) {
      // Its REST client reads the version over.
      expect([id, version, probabilities.length]).toEqual(["kserve", protocol === "rest" ? null : "3", 2]);
      for (const [i, [value]] of probabilities.entries()) expect(value).toBeCloseTo(COMPUTED[i]!, 6);
    }
    expect(epoch).toBe("1");
  });

  test("reads its errors", () => {
    const { refused, unknown } = kserve[protocol];
    const text = { rest: "inputs is", grpc: 'input "numbers" is missing' };
    expect(refused.message).toContain(text[protocol]);
    const statuses = { rest: ["400", "404"], grpc: ["StatusCode.INVALID_ARGUMENT", "StatusCode.NOT_FOUND"] };
    expect([refused.status, unknown.status]).toEqual(statuses[protocol]);
  });
});
