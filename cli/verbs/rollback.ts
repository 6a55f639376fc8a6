import type { Command } from "commander";
import { nameSchema } from "../../contracts/primitives.ts";
import { answering, asOption, checked, defineVerb, resolveActor, resolveReason, withStack } from "../verb.ts";

/** `rollback ENDPOINT`: ends a canary, or brings the former champion back. */
export function addRollback(program: Command): void {
  defineVerb(program, {
    usage: "rollback <endpoint>",
    summary: "End an endpoint's running canary, or bring its former champion back",
    examples: ['rollback flight-delay --as grace --reason "complaints from support"'],
  })
    .addOption(asOption())
    .requiredOption("--reason <why>", "why; it is recorded in the audit trail")
    .action(
      answering(async (_screen, name: string, options: { readonly as?: string; readonly reason: string }) => {
        const request = { by: resolveActor(options.as), reason: resolveReason(options.reason) };
        const endpoint = checked(nameSchema, name, "endpoint");
        return withStack(async (modelwright) => {
          const result = await modelwright.rollback(endpoint, request);
          const line =
            "champion" in result
              ? `${endpoint} is served by ${result.champion} again, routing epoch ${result.epoch}`
              : `rollout ${result.rolloutId} ended (${result.status}), all traffic is with the champion: ${result.reason}`;
          return { document: { endpoint, ...result }, lines: [line] };
        });
      }),
    );
}
