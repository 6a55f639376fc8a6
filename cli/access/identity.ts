import type { Command } from "commander";
import { IDENTITY_MODES, identityModeSchema } from "../../contracts/identity.ts";
import { checked } from "../verb.ts";
import { defineChange } from "./changing.ts";

const SAYS = {
  declared: "people are believed who say who they are",
  required: "everything people do needs a token now, and gateways ask for one",
} as const;

/** `access identity MODE`. */
export function addIdentity(access: Command): void {
  defineChange(access, {
    usage: "identity <mode>",
    summary: `Set whether people are believed or must prove who they are: ${IDENTITY_MODES.join(" or ")}`,
    details:
      "Before `required`, make an administrator with a token; without one only the owner of the database changes it back.",
    examples: ['access identity required --as grace --reason "more than one of us now"'],
    change: async (to, request, [given = ""]) => {
      const mode = checked(identityModeSchema, given, "mode");
      await to.changeAccess({ change: "identity", mode }, request);
      return { document: { identity: mode }, lines: [`${mode}: ${SAYS[mode]}`] };
    },
  });
}
