import type { Command } from "commander";
import { defineChange } from "./changing.ts";

/** `access erase WHO`: personal data away, the trail whole. */
export function addErase(access: Command): void {
  defineChange(access, {
    usage: "erase <who>",
    summary: "Erase a person's name and words; what was done stays on record under a pseudonym",
    details:
      "Deletes the name, the salts and every reason the person gave, and ends tokens and roles. Nothing brings them back. The audit trail, its checkpoints and evidence bundles hold as before. Names also travel in Temporal's histories, for as long as the namespace keeps those.",
    examples: ['access erase ada --as grace --reason "asked to be forgotten"'],
    change: async (to, request, [who = ""]) => {
      const ref = await to.changeAccess({ change: "erase", who }, request);
      return { document: { ref, erased: true }, lines: [`erased; the trail says ${ref} from now on`] };
    },
  });
}
