import { readFile } from "node:fs/promises";
import { CommanderError } from "commander";
import { createProgram } from "./program.ts";

// `modelwright ... | head` closes the pipe early; that is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

const manifest = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8")) as {
  readonly version: string;
  readonly description: string;
};
try {
  await createProgram(manifest).parseAsync(process.argv.slice(2), { from: "user" });
} catch (thrown) {
  if (!(thrown instanceof CommanderError)) throw thrown;
  process.exitCode = thrown.exitCode;
}
