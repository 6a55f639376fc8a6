import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { cacheDir } from "../../local/data-directory.ts";

const run = promisify(execFile);

/** Pinned, so that two runs compare with the same. */
const PACKAGES = ["mlflow==3.17.2", "psycopg2-binary==2.9.13"];
const STARTS_WITHIN_MS = 300_000;
/** The server answers while its other processes still start, which takes both cores for some time. */
const SETTLES_MS = 30_000;

export interface MlflowServer {
  /** Calls an operation of MLflow's REST interface. */
  readonly call: (method: "GET" | "POST", operation: string, fields: object) => Promise<Record<string, unknown>>;
  readonly stop: () => Promise<void>;
}

/**
 * An MLflow tracking server from PyPI, one worker, on loopback, with its tables in `databaseUrl`. The first call installs it into a
 * virtual environment below `.modelwright/`, which takes minutes and almost a gigabyte.
 */
export async function startMlflow(options: {
  readonly databaseUrl: string;
  readonly directory: string;
  readonly port: number;
}): Promise<MlflowServer> {
  const binaries = await ensureEnvironment();
  const address = `http://127.0.0.1:${options.port}`;
  const server = spawn(
    join(binaries, "mlflow"),
    ["server", "--host", "127.0.0.1", "--port", String(options.port), "--workers", "1"],
    {
      cwd: options.directory,
      stdio: ["ignore", "ignore", "pipe"],
      env: {
        PATH: `${binaries}:${process.env["PATH"] ?? ""}`,
        // Holds a password, so it stands in no command line.
        MLFLOW_BACKEND_STORE_URI: options.databaseUrl.replace(/^postgres:/, "postgresql+psycopg2:"),
        MLFLOW_DEFAULT_ARTIFACT_ROOT: join(options.directory, "mlflow-artifacts"),
        MLFLOW_DISABLE_TELEMETRY: "true",
        DO_NOT_TRACK: "true",
        MLFLOW_LOGGING_LEVEL: "ERROR",
      },
      // A group of its own, so that its workers end with it.
      detached: true,
    },
  );
  let lastWords = "";
  server.stderr.on("data", (chunk: Buffer) => (lastWords = (lastWords + chunk.toString()).slice(-4000)));
  const ended = new Promise<void>((resolve) => server.once("close", () => resolve()));
  let over = false;
  void ended.then(() => (over = true));
  const stop = async (): Promise<void> => {
    if (!over && server.pid !== undefined) process.kill(-server.pid, "SIGTERM");
    await ended;
  };
  const call: MlflowServer["call"] = async (method, operation, fields) => {
    const query = method === "GET" ? `?${new URLSearchParams(fields as Record<string, string>).toString()}` : "";
    const response = await fetch(`${address}/api/2.0/mlflow/${operation}${query}`, {
      method,
      ...(method === "POST" ? { headers: { "content-type": "application/json" }, body: JSON.stringify(fields) } : {}),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`MLflow ${operation}: ${response.status} ${text.slice(0, 500)}`);
    return JSON.parse(text) as Record<string, unknown>;
  };
  const deadline = Date.now() + STARTS_WITHIN_MS;
  for (;;) {
    const answer = await fetch(`${address}/health`).catch(() => null);
    if (answer?.ok) {
      await new Promise((resolve) => setTimeout(resolve, SETTLES_MS));
      return { call, stop };
    }
    if (over || Date.now() > deadline) {
      await stop();
      throw new Error(`MLflow's server did not start: ${lastWords}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** The folder of the environment's executables. */
async function ensureEnvironment(): Promise<string> {
  const folder = join(cacheDir, "bench-mlflow");
  const binaries = join(folder, "bin");
  const finished = join(folder, "installed");
  if (existsSync(finished)) return binaries;
  await rm(folder, { recursive: true, force: true });
  await mkdir(cacheDir, { recursive: true });
  process.stderr.write(`installing ${PACKAGES.join(" and ")} into ${folder}\n`);
  await run("python3", ["-m", "venv", folder]);
  await run(join(binaries, "pip"), ["install", "--quiet", "--disable-pip-version-check", ...PACKAGES]);
  await mkdir(finished);
  return binaries;
}
