import type { ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { forkProgram } from "../../adapters/compute/fork-program.ts";
import { BENCH_MODELS, type BenchModelName } from "../gateway-model.ts";
import type { LoadRequest, LoadResult } from "../gateway-load.ts";
import type { ToBenchGateway } from "../gateway-server.ts";

export interface BenchModelFile {
  readonly name: BenchModelName;
  readonly path: string;
  readonly digest: string;
}

/** The models of the benchmarks as files. */
export async function writeModels(directory: string): Promise<readonly BenchModelFile[]> {
  return await Promise.all(
    (Object.keys(BENCH_MODELS) as BenchModelName[]).map(async (name) => {
      const bytes = BENCH_MODELS[name].bytes();
      const path = join(directory, `${name}.onnx`);
      await writeFile(path, bytes);
      return { name, path, digest: createHash("sha256").update(bytes).digest("hex") };
    }),
  );
}

export interface BenchGateway {
  readonly url: string;
  readonly pid: number;
  /**
   * Returns when every endpoint has confirmed its epoch.
   *
   * @param sampleShare of requests whose rows are logged; 1 by default
   */
  readonly serve: (
    files: readonly BenchModelFile[],
    epoch: number,
    number: number,
    sampleShare?: number,
  ) => Promise<void>;
  /** Of the gateway's own process, without its models'. */
  readonly memoryBytes: () => Promise<number>;
  readonly stop: () => Promise<void>;
}

type FromGateway =
  | { readonly kind: "ready"; readonly url: string }
  | { readonly kind: "confirmed"; readonly endpoint: string; readonly epoch: number }
  | { readonly kind: "memory"; readonly bytes: number };

/** The gateway in a process of its own. */
export async function startBenchGateway(directory: string, databaseUrl: string): Promise<BenchGateway> {
  const child = startChild("../gateway-server.ts", [directory, databaseUrl]);
  const hear = <Kind extends FromGateway["kind"]>(
    kind: Kind,
    wanted: (message: Extract<FromGateway, { kind: Kind }>) => boolean = () => true,
  ) =>
    new Promise<Extract<FromGateway, { kind: Kind }>>((resolve) => {
      const listen = (message: FromGateway): void => {
        if (message.kind !== kind || !wanted(message as Extract<FromGateway, { kind: Kind }>)) return;
        child.off("message", listen);
        resolve(message as Extract<FromGateway, { kind: Kind }>);
      };
      child.on("message", listen);
    });
  const send = (message: ToBenchGateway) => child.send(message);
  const { url } = await hear("ready");
  return {
    url,
    pid: child.pid ?? 0,
    serve: async (files, epoch, number, sampleShare = 1) => {
      const confirmed = files.map(({ name }) =>
        hear("confirmed", (message) => message.endpoint === name && message.epoch === epoch),
      );
      const routes = files.map(({ name, path, digest }) => {
        const { signature } = BENCH_MODELS[name];
        return { endpoint: name, epoch, path, version: { number, digest, signature }, sampleShare };
      });
      send({ kind: "routes", routes });
      await Promise.all(confirmed);
    },
    memoryBytes: async () => {
      const heard = hear("memory");
      send({ kind: "memory" });
      return (await heard).bytes;
    },
    stop: () => stopChild(child),
  };
}

/** The least that serves a model, in a process of its own; takes binary tensors only. */
export async function startPlainServer({
  name,
  path,
}: BenchModelFile): Promise<{ readonly url: string; readonly stop: () => Promise<void> }> {
  const child = startChild("./plain-server.ts", [name, path]);
  const [{ url }] = (await once(child, "message")) as [{ readonly url: string }];
  return {
    url,
    stop: () => stopChild(child),
  };
}

export async function runLoad(request: LoadRequest): Promise<LoadResult> {
  const child = startChild("../gateway-load.ts", []);
  child.send(request);
  const [result] = (await once(child, "message")) as [LoadResult];
  child.disconnect();
  return result;
}

/** Started as `up` starts programs. */
const startChild = (file: string, words: readonly string[]): ChildProcess =>
  forkProgram(new URL(file, import.meta.url), {}, words);

async function stopChild(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.disconnect();
  await ended;
}
