import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../data-directory.ts";
import type { Screen } from "./screen.ts";

/** Runs commands as a user would type them and shows both. One that fails ends the story. */
export interface Shell {
  /** A verb of the command line; with `to`, its output goes into that file. */
  readonly modelwright: (parameters: readonly string[], to?: string) => Promise<void>;
  /** A program of the project that stands alone. */
  readonly node: (parameters: readonly string[]) => Promise<void>;
}

export function createShell(screen: Screen, dataDir: string): Shell {
  const run = async (shown: string, parameters: readonly string[], to?: string): Promise<void> => {
    screen.say(
      `$ ${shown} ${parameters.slice(shown === "node" ? 0 : 1).join(" ")}${to === undefined ? "" : ` > ${to}`}`,
    );
    const child = spawn(process.execPath, parameters, {
      env: { ...process.env, MODELWRIGHT_DATA_DIR: dataDir, MODELWRIGHT_ACTOR: "ada" },
      stdio: ["ignore", to === undefined ? "inherit" : "pipe", "inherit"],
      cwd: projectRoot,
    });
    if (to !== undefined) child.stdout?.pipe(createWriteStream(to));
    const code = await new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
    if (code !== 0) throw new Error(`\`${shown} ${parameters.join(" ")}\` ended with code ${String(code)}`);
  };
  const cli = join(projectRoot, "cli/modelwright.mjs");
  return {
    modelwright: (parameters, to) => run("npx modelwright", [cli, ...parameters], to),
    node: (parameters) => run("node", parameters),
  };
}
