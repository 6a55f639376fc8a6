import type { Command } from "commander";
import { Failure } from "../../contracts/failures.ts";

export interface MomentOptions {
  readonly asOf?: string;
  readonly knownAt?: string;
}

/** Adds `--as-of` and `--known-at`, which every question about the registry takes. */
export const momentOptions = (verb: Command): Command =>
  verb
    .option("--as-of <time>", "what was true then, ISO 8601 with a zone: 2026-03-01T10:00:00Z")
    .option("--known-at <time>", "as it was known then; entries made later do not count");

/** An option that may be given several times. */
export const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** `KEY=VALUE` each. @throws INPUT_INVALID */
export function parseTags(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((text) => {
      const [key, value] = splitPair(text, "--tag");
      return [key, value];
    }),
  );
}

/** The two sides of the first `=`. @throws INPUT_INVALID */
function splitPair(text: string, where: string): readonly [name: string, value: string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  const problems = `${JSON.stringify(text.slice(0, 80))} has no name before a \`=\`; write NAME=VALUE`;
  throw new Failure("INPUT_INVALID", { where, problems });
}
