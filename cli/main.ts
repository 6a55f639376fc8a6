import { readFile } from "node:fs/promises";
import { Command, CommanderError } from "commander";
import { verbs } from "./verbs.ts";

/** The command line: one file a verb in `verbs/`, assembled here. */
async function main(words: readonly string[]): Promise<void> {
  // `modelwright ... | head` closes the pipe early; that is no error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
  const manifest = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8")) as {
    readonly version: string;
    readonly description: string;
  };
  const program = new Command("modelwright")
    .description(manifest.description)
    .version(manifest.version)
    .exitOverride()
    .showHelpAfterError("(see `modelwright --help`)")
    .configureHelp({ sortOptions: true })
    .addHelpText("after", "\nExit codes: 0 pass, 1 error, 2 a gate failed, 3 waiting for somebody.");
  for (const addVerb of verbs) addVerb(program);
  try {
    await program.parseAsync(words, { from: "user" });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    process.exitCode = thrown.exitCode;
  }
}

await main(process.argv.slice(2));
