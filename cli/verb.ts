import { readFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { InvalidArgumentError, Option, type Command } from "commander";
import type { Modelwright } from "../client/index.ts";
import { Failure } from "../contracts/failures.ts";
import { EXIT_CODES } from "../contracts/names.ts";
import { actorSchema } from "../contracts/primitives.ts";
import { resolveDataDir } from "../local/data-directory.ts";
import type { Answer } from "./answer.ts";
import { describeError } from "./print-error.ts";
import { createScreen, type Screen } from "./screen.ts";

export interface VerbDescription {
  /** Name and arguments as commander reads them: `deploy <version>`. */
  readonly usage: string;
  readonly summary: string;
  /** What stands below the options in `--help`: what arguments mean, what exit codes there are. */
  readonly details?: string;
  readonly examples: readonly string[];
  /** Somebody does something by it, who is asked for. */
  readonly acts?: boolean;
}

/** Adds a verb with what every verb has: `--json`, and `--help` with examples; and whoever acts, `--as` and `--token-file`. */
export function defineVerb(parent: Command, { usage, summary, details, examples, acts }: VerbDescription): Command {
  const shown = examples.map((example) => `  $ modelwright ${example}`).join("\n");
  const verb = parent
    .command(usage)
    .summary(summary)
    .description(details === undefined ? `${summary}.` : `${summary}.\n\n${details}`)
    .option("--json", "one JSON document on standard output; what happens meanwhile goes to standard error")
    .addHelpText("after", `\nExamples:\n${shown}`);
  if (!acts) return verb;
  return verb
    .addOption(asOption())
    .option("--token-file <file>", "file with the token that signs this; default $MODELWRIGHT_TOKEN");
}

/**
 * A commander action that prints its answer, as text or as JSON, and sets the exit code. It never rejects: failures are printed
 * the same way.
 */
export function answering<Arguments extends readonly unknown[]>(
  work: (screen: Screen, ...given: Arguments) => Promise<Answer>,
): (...given: Arguments) => Promise<void> {
  return async (...given) => {
    // Commander hands over the arguments, the options and the command; only options can hold it.
    const json = given.some((one) => typeof one === "object" && one !== null && "json" in one && one.json === true);
    const { stdout: output, stderr: errors, env: environment } = process;
    const screen = createScreen({ json, environment, output, errors });
    try {
      const { document, lines, exitCode = EXIT_CODES.pass } = await work(screen, ...given);
      screen.erase();
      write(output, json ? [JSON.stringify(document, null, 2)] : lines);
      process.exitCode = exitCode;
    } catch (thrown) {
      screen.erase();
      const { document, lines, exitCode } = await describeError(thrown, screen);
      if (json) write(output, [JSON.stringify(document, null, 2)]);
      else write(errors, lines);
      process.exitCode = exitCode;
    }
  };
}

function write(stream: NodeJS.WriteStream, lines: readonly string[]): void {
  if (lines.length > 0) stream.write(`${lines.join("\n")}\n`);
}

/** Connects to the stack the environment or the data directory names, and lets go of it afterwards. */
export async function withStack<Result>(
  work: (modelwright: Modelwright) => Promise<Result>,
  token?: string,
): Promise<Result> {
  // Loaded here, as every large library is where it is used: Temporal's client alone takes longer than `--help` may.
  const { connect, findAddresses } = await import("../client/index.ts");
  const environment = { ...process.env, MODELWRIGHT_DATA_DIR: resolveDataDir(process.env) };
  const modelwright = await connect(await findAddresses(environment), { token });
  try {
    return await work(modelwright);
  } finally {
    await modelwright.close();
  }
}

export const asOption = (): Option =>
  new Option("--as <who>", "who does this; default $MODELWRIGHT_ACTOR, else your user name");

export interface ActingOptions {
  readonly as?: string;
  readonly tokenFile?: string;
}

/**
 * Connects as somebody who is about to do something: the holder of his token, or, where people are believed, whoever he says he is.
 * `by` is his name.
 */
export async function withActor<Result>(
  { as, tokenFile }: ActingOptions,
  work: (modelwright: Modelwright, by: string) => Promise<Result>,
): Promise<Result> {
  const token = tokenFile === undefined ? process.env["MODELWRIGHT_TOKEN"] || undefined : await loadToken(tokenFile);
  const said = token !== undefined && as === undefined ? undefined : resolveActor(as);
  return withStack(async (modelwright) => work(modelwright, await modelwright.actor(said)), token);
}

const loadToken = (path: string): Promise<string> =>
  readFile(path, "utf8").catch((cause: unknown) => {
    throw new Failure("FILE_MISSING", { path, what: "the token" }, { cause });
  });

/** Who acts: as said, else as the environment says, else the user of the operating system. @throws INPUT_INVALID */
export function resolveActor(said: string | undefined): string {
  const who = said ?? (process.env["MODELWRIGHT_ACTOR"] || userName());
  return checked(actorSchema, who, "--as");
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a number without a name.
    return "";
  }
}

const LONGEST_REASON = 2000;

/** Why somebody decides; an empty one would make the audit trail say nothing. @throws INPUT_INVALID */
export function resolveReason(said: string): string {
  const reason = said.trim();
  if (reason !== "" && reason.length <= LONGEST_REASON) return reason;
  const problems = `${reason.length} characters; say why in 1 to ${LONGEST_REASON} characters`;
  throw new Failure("INPUT_INVALID", { where: "--reason", problems });
}

/** A number as an option's value; what it may be is its schema's business. */
export function parseNumber(text: string): number {
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number)) throw new InvalidArgumentError("It must be a number.");
  return number;
}

interface Checks<Value> {
  safeParse(
    value: unknown,
  ): { success: true; data: Value } | { success: false; error: { issues: { message: string; path: PropertyKey[] }[] } };
}

/** A typed word by its schema, or several by theirs. @throws INPUT_INVALID with the option or argument as the place */
export function checked<Value>(schema: Checks<Value>, value: unknown, where: string): Value {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const found = typeof value === "string" ? `${JSON.stringify(value.slice(0, 80))}: ` : "";
  const said = parsed.error.issues.map(({ path, message }) => [...path.map(String), message].join(": "));
  const problems = found + said.join("; ");
  throw new Failure("INPUT_INVALID", { where, problems });
}
