import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export const executable = fileURLToPath(new URL("../../../cli/modelwright.mjs", import.meta.url));

export interface Ended {
  readonly exitCode: number | null;
  readonly output: string;
  readonly errors: string;
}

const named = [
  "DATABASE_URL",
  "DATABASE_ADMIN_URL",
  "TEMPORAL_ADDRESS",
  "TEMPORAL_NAMESPACE",
  "GATEWAY_URL",
  "GATEWAY_PORT",
  "NO_COLOR",
  "FORCE_COLOR",
  "MODELWRIGHT_ACTOR",
  "MODELWRIGHT_TOKEN",
];

/** This process's environment without any stack, user or colour of its own, and with the directory as the data directory. */
export function environmentFor(directory: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !named.includes(name));
  return { ...Object.fromEntries(inherited), MODELWRIGHT_DATA_DIR: directory };
}

/** Runs the command line as people do, in a folder of its own. */
export function runCli(
  words: readonly string[],
  directory: string,
  environment: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [executable, ...words], {
    cwd: directory,
    env: { ...environmentFor(directory), ...environment },
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
