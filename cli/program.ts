import { Command, type OutputConfiguration } from "commander";
import { verbs } from "./verbs.ts";

export interface ProgramOptions {
  readonly version: string;
  readonly description: string;
  /** Where help and complaints about wrong words go; the terminal by default. */
  readonly output?: OutputConfiguration;
}

/** The command line with every verb; it throws commander's error instead of ending the process. */
export function createProgram({ version, description, output = {} }: ProgramOptions): Command {
  const program = new Command("modelwright")
    .description(description)
    .version(version)
    .exitOverride()
    .configureOutput(output)
    .showHelpAfterError("(see `modelwright --help`)")
    .configureHelp({ sortOptions: true })
    .addHelpText("after", "\nExit codes: 0 pass, 1 error, 2 a gate failed, 3 waiting for somebody.");
  for (const addVerb of verbs) addVerb(program);
  return program;
}
