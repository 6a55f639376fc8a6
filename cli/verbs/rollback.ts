import type { Command } from "commander";
import { nameSchema } from "../../contracts/primitives.ts";
import { answering, checked, defineVerb, resolveReason, withActor, type ActingOptions } from "../verb.ts";

/** `rollback ENDPOINT`: ends a canary, or brings the former champion back. */
export function addRollback(program: Command): void {
  defineVerb(program, {
    usage: "rollback <endpoint>",
    summary: "End an endpoint's running canary, or bring its former champion back",
    examples: ['rollback flight-delay --as grace --reason "complaints from support"'],
    acts: true,
  })
    .requiredOption("--reason <why>", "why; it is recorded in the audit trail")
    .action(
      answering(async (_screen, name: string, options: ActingOptions & { readonly reason: string }) => {
        const reason = resolveReason(options.reason);
        const endpoint = checked(nameSchema, name, "endpoint");
        return withActor(options, async (modelwright, by) => {
          const result = await modelwright.rollback(endpoint, { by, reason });
          const line =
            "champion" in result
              ? `${endpoint} is served by ${result.champion} again, routing epoch ${result.epoch}`
              : `rollout ${result.rolloutId} ended (${result.status}), all traffic is with the champion: ${result.reason}`;
          return { document: { endpoint, ...result }, lines: [line] };
        });
      }),
    );
}
