import type { Command } from "commander";
import { nameSchema } from "../../contracts/primitives.ts";
import { answering, asOption, checked, defineVerb, resolveActor, resolveReason } from "../verb.ts";
import { withOwner } from "./with-owner.ts";

/** `access team MODEL [TEAM]`: whose a model is. */
export function addTeam(access: Command): void {
  defineVerb(access, {
    usage: "team <model> [team]",
    summary: "Give a model to a team; without a team, to everybody",
    details:
      "Members of other teams no longer see the model nor anything that hangs on it. Needs DATABASE_ADMIN_URL, the address of the database's owner, unless the stack is a local one.",
    examples: ['access team flight-delay flights --reason "their data is confidential"'],
  })
    .addOption(asOption())
    .requiredOption("--reason <why>", "why; stays in the audit trail")
    .action(
      answering(async (screen, model: string, given: string | undefined, options: { as?: string; reason: string }) => {
        const change = {
          model: checked(nameSchema, model, "model"),
          team: given === undefined ? null : checked(nameSchema, given, "team"),
        };
        const attributed = { by: resolveActor(options.as), reason: resolveReason(options.reason) };
        return withOwner(async (owner) => {
          await owner.setTeam({ ...change, ...attributed });
          const whose = change.team === null ? "everybody's" : `of team ${change.team}`;
          return { document: change, lines: [`${screen.paint("good", "✔")} ${change.model} is ${whose}`] };
        });
      }),
    );
}
