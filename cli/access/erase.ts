import type { Command } from "commander";
import { accessChangeSchema } from "../../contracts/identity.ts";
import { checked } from "../verb.ts";
import { defineChange } from "./changing.ts";

const WHAT = /^(purpose|description|tag)(?::([^=]+))?$/;

/** `access erase WHO` and `access erase-said MODEL WHAT`: personal data away, the trail whole. */
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
  defineChange(access, {
    usage: "erase-said <model> <what>",
    summary: "Erase a purpose, a description or a tag with all its past; that something was said stays on record",
    details:
      "<model> is NAME or NAME@N, <what> is purpose, description or tag:KEY. Every value it ever had goes out of the registry's history, the present and the searches. The name of a tag stays. The audit trail holds salted commitments alone, which nothing opens any more. Specs are evidence and keep what they say.",
    examples: ['access erase-said flight-delay@3 tag:reviewer --as grace --reason "asked to be forgotten"'],
    change: async (to, request, [name = "", what = ""]) => {
      const [, attribute = "", key = ""] = WHAT.exec(what) ?? [];
      const [model = "", number] = name.replace(/^model\//, "").split("@");
      const place = { model, number: number === undefined ? null : Number(number), attribute, key };
      const change = checked(accessChangeSchema, { change: "erase-said", ...place }, `${name} ${what}`);
      const subject = await to.changeAccess(change, request);
      return { document: { ...place, erased: true }, lines: [`erased ${what} of ${subject}`] };
    },
  });
}
