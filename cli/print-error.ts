import { inspect } from "node:util";
import { isFailure, type Failure } from "../contracts/failures.ts";
import { EXIT_CODES } from "../contracts/names.ts";
import { isGate, isWait, type ExitCode } from "./answer.ts";
import type { Screen } from "./screen.ts";

export interface PrintedError {
  /** For programs, on standard output. */
  readonly document: { readonly error: Readonly<Record<string, unknown>> };
  /** For people, on standard error. */
  readonly lines: readonly string[];
  readonly exitCode: ExitCode;
}

/** An expected failure in the catalogue's words, without a stack; anything else as the bug it is, with one. */
export async function describeError(thrown: unknown, { paint }: Pick<Screen, "paint">): Promise<PrintedError> {
  const known = isFailure(thrown) ? thrown : (await import("../client/failures.ts")).toFailure(thrown);
  if (isFailure(known)) return describeFailure(known, paint);
  const stack = describeChain(thrown);
  const message = brief(thrown instanceof Error ? thrown.message : inspect(thrown));
  return {
    document: { error: { code: "BUG", message, stack } },
    lines: [
      `${paint("bad", "bug")} ${visible(message)}`,
      "This is a fault of Modelwright and not of your input; please report it with the lines below.",
      visible(stack),
    ],
    exitCode: EXIT_CODES.error,
  };
}

const LONGEST_MESSAGE = 600;

/** Every error of the chain with its own frames; a message that holds a whole query or model is cut. */
function describeChain(thrown: unknown): string {
  const parts: string[] = [];
  for (let cause: unknown = thrown; cause !== undefined && parts.length < 8;) {
    if (!(cause instanceof Error)) return [...parts, `thrown: ${brief(inspect(cause))}`].join("\ncaused by ");
    const frames = (cause.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
    parts.push([`${cause.name}: ${brief(cause.message)}`, ...frames].join("\n"));
    cause = cause.cause;
  }
  return parts.join("\ncaused by ");
}

const brief = (text: string) => (text.length > LONGEST_MESSAGE ? `${text.slice(0, LONGEST_MESSAGE)}…` : text);

function describeFailure({ code, message, fields }: Failure, paint: Screen["paint"]): PrintedError {
  return {
    document: { error: { code, message, fields } },
    lines: `${paint("bad", "error")} ${code}: ${visible(message)}`.split("\n"),
    exitCode: isGate(code) ? EXIT_CODES.gateFailed : isWait(code) ? EXIT_CODES.waiting : EXIT_CODES.error,
  };
}

/** Line breaks stay; what could move the cursor or turn the text around is made visible. */
function visible(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]|[\p{Bidi_Control}\u2028\u2029]/gu, "\uFFFD");
}
