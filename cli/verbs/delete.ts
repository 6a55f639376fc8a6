import type { Command } from "commander";
import { nameSchema } from "../../contracts/primitives.ts";
import { answering, checked, defineVerb, resolveReason, withActor, type ActingOptions } from "../verb.ts";

interface DeleteOptions extends ActingOptions {
  readonly reason: string;
  readonly undo?: boolean;
}

/** `delete NAME[@N]`: a tombstone; what is deleted stays explainable. */
export function addDelete(program: Command): void {
  defineVerb(program, {
    usage: "delete <name>",
    summary: "Delete a model or a version; its history and evidence stay",
    details:
      "Refused while it serves, is where a rollback would go, is watched by a monitor, has an alias, or another version was made from it. `models --deleted` lists what was deleted; `explain`, `lineage` and `model --as-of` go on answering about it.",
    examples: [
      'delete flight-delay@2 --reason "trained on the wrong window"',
      'delete old-model --reason "replaced by flight-delay"',
      'delete flight-delay@2 --undo --reason "it was the right window after all"',
    ],
    acts: true,
  })
    .requiredOption("--reason <why>", "why; it stays with the tombstone")
    .option("--undo", "bring it back")
    .action(
      answering(async (_screen, name: string, options: DeleteOptions) => {
        const reason = resolveReason(options.reason);
        return withActor(options, async (modelwright, by) => {
          const { model, number } = name.includes("@")
            ? await modelwright.version(name)
            : { model: checked(nameSchema, name, "model"), number: null };
          const value = options.undo ? null : true;
          const sayings = [{ attribute: "tombstone", key: "", value } as const];
          await modelwright.change({ model, number, sayings, validFrom: null }, { by, reason });
          const about = number === null ? model : `${model}@${number}`;
          const line = options.undo ? `${about} is back` : `deleted ${about}; its history and evidence stay`;
          return { document: { model, number, deleted: !options.undo }, lines: [line] };
        });
      }),
    );
}
