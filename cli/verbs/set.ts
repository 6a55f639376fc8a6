import type { Command } from "commander";
import { printable } from "../../client/text.ts";
import { nameSchema } from "../../contracts/primitives.ts";
import { parseSaying } from "../registry/parse-saying.ts";
import { answering, checked, defineVerb, resolveReason, withActor, type ActingOptions } from "../verb.ts";

interface SetOptions extends ActingOptions {
  readonly reason: string;
  readonly from?: string;
}

/** `set NAME[@N] WORD...`: says something about a model or a version; history keeps what was said before. */
export function addSet(program: Command): void {
  defineVerb(program, {
    usage: "set <name> <words...>",
    summary: "Say something about a model or a version: owner, tags, aliases, stage",
    details:
      "About a model: owner, purpose, risk-tier (low, medium, high, unknown), stages (in their order), description, tag:KEY, alias:NAME=N. About a version: stage, description, tag:KEY, alias:NAME. Nothing after the `=` takes away. All words are written together or none is.",
    examples: [
      'set flight-delay owner=operations risk-tier=high "purpose=warn crews early" --reason "review of March"',
      'set flight-delay stages=shadow,production --reason "we shadow first"',
      'set flight-delay@3 stage=production alias:best tag:country=NO --reason "best on April"',
      'set flight-delay tag:country= --reason "it is used everywhere now"',
    ],
    acts: true,
  })
    .requiredOption("--reason <why>", "why; it stays with the entry")
    .option("--from <time>", "true from this past moment on, instead of from now; for imports and corrections")
    .action(
      answering(async (_screen, name: string, words: readonly string[], options: SetOptions) => {
        const reason = resolveReason(options.reason);
        return withActor(options, async (modelwright, by) => {
          const subject = name.includes("@")
            ? await modelwright.version(name)
            : { model: checked(nameSchema, name, "model"), number: null };
          const { model, number } = subject;
          const sayings = words.map((word) => parseSaying(word, number));
          const change = { model, number, sayings, validFrom: options.from ?? null };
          const { entries } = await modelwright.change(change, { by, reason });
          const about = number === null ? model : `${model}@${number}`;
          return {
            document: { model, number, entries },
            lines: [`${about}: ${printable(words.join(", "))}`],
          };
        });
      }),
    );
}
