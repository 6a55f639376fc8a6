import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const executable = fileURLToPath(new URL("../../../cli/modelwright.mjs", import.meta.url));

export interface Ended {
  readonly exitCode: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs the command line as people do, in a folder of its own, without any stack in the environment. */
export function runCli(
  words: readonly string[],
  directory: string,
  environment: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  const named = ["DATABASE_URL", "TEMPORAL_ADDRESS", "GATEWAY_URL", "NO_COLOR", "FORCE_COLOR", "MODELWRIGHT_ACTOR"];
  const inherited = Object.entries(process.env).filter(([name]) => !named.includes(name));
  const env = { ...Object.fromEntries(inherited), MODELWRIGHT_DATA_DIR: directory, ...environment };
  const child = spawn(process.execPath, [executable, ...words], {
    cwd: directory,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exitCode) => resolve({ exitCode, output, errors }));
  });
}
