import { spawn } from "node:child_process";
import { join } from "node:path";
import { projectRoot } from "../data-directory.ts";
import type { Screen } from "./screen.ts";

/** Runs a verb of the command line as a user would type it, shows both, and returns its exit code. */
export async function runCommand(screen: Screen, dataDir: string, ...parameters: readonly string[]): Promise<number> {
  screen.say(`$ npx modelwright ${parameters.join(" ")}`);
  const child = spawn(process.execPath, [join(projectRoot, "cli/modelwright.mjs"), ...parameters], {
    env: { ...process.env, MODELWRIGHT_DATA_DIR: dataDir, MODELWRIGHT_ACTOR: "ada" },
    stdio: ["ignore", "inherit", "inherit"],
    cwd: projectRoot,
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
}
