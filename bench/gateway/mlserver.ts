import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { residentBytes } from "../../adapters/inference/resident-bytes.ts";
import { cacheDir } from "../../local/data-directory.ts";

const run = promisify(execFile);

/** Pinned, so that two runs compare with the same. With a newer uvloop its workers end as they start. */
const PACKAGES = ["mlserver==1.7.1", "uvloop==0.21.0", "onnxruntime"];
const STARTS_WITHIN_MS = 60_000;

export interface MlServer {
  readonly url: string;
  readonly memoryBytes: () => Promise<number>;
  readonly stop: () => Promise<void>;
}

/**
 * MLServer from PyPI with ONNX files as its models. The first call installs it into a virtual environment of the cache.
 *
 * @param workers processes for the models: 1, its default, keeps them apart from the server, as ours are; with 0 they run in the server itself
 */
export async function startMlServer(
  directory: string,
  models: ReadonlyMap<string, string>,
  workers: 0 | 1,
): Promise<MlServer> {
  const binaries = await ensureEnvironment();
  const runtime = fileURLToPath(new URL("onnx_model.py", import.meta.url));
  const home = join(directory, `mlserver-${workers}`);
  for (const [name, path] of models) {
    await mkdir(join(home, name), { recursive: true });
    await copyFile(runtime, join(home, name, "onnx_model.py"));
    const settings = { name, implementation: "onnx_model.OnnxModel", parameters: { uri: path } };
    await writeFile(join(home, name, "model-settings.json"), JSON.stringify(settings));
  }
  const [http_port, grpc_port, metrics_port] = [await freePort(), await freePort(), await freePort()];
  const settings = { host: "127.0.0.1", http_port, grpc_port, metrics_port, parallel_workers: workers, debug: false };
  await writeFile(join(home, "settings.json"), JSON.stringify(settings));
  const server = spawn(join(binaries, "mlserver"), ["start", "."], { cwd: home, stdio: "ignore" });
  const ended = once(server, "close");
  const stop = async (): Promise<void> => {
    server.kill("SIGTERM");
    await ended;
  };
  const url = `http://127.0.0.1:${http_port}`;
  const until = Date.now() + STARTS_WITHIN_MS;
  while (!(await isReady(url, models.keys()))) {
    if (Date.now() < until && server.exitCode === null) await sleep(200);
    else {
      await stop();
      throw new Error(`MLServer did not start within ${STARTS_WITHIN_MS / 1000} s`);
    }
  }
  return { url, memoryBytes: () => residentBytes(server.pid ?? 0), stop };
}

async function isReady(url: string, names: Iterable<string>): Promise<boolean> {
  for (const name of names) {
    const answer = await fetch(`${url}/v2/models/${name}/ready`).catch(() => null);
    if (!answer?.ok) return false;
  }
  return true;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function ensureEnvironment(): Promise<string> {
  const environment = join(cacheDir, "bench-mlserver-1.7.1");
  const binaries = join(environment, "bin");
  if (existsSync(join(binaries, "mlserver"))) return binaries;
  process.stderr.write(`installing ${PACKAGES.join(", ")} into ${environment}\n`);
  try {
    await run("python3", ["-m", "venv", environment]);
    await run(join(binaries, "python"), ["-m", "pip", "install", "--quiet", ...PACKAGES]);
    return binaries;
  } catch (problem) {
    await rm(environment, { recursive: true, force: true });
    throw problem;
  }
}
