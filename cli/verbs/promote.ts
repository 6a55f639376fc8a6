import type { Command } from "commander";
import { nameSchema } from "../../contracts/primitives.ts";
import { answering, checked, defineVerb, resolveReason, withActor, type ActingOptions } from "../verb.ts";

/** `promote ENDPOINT`: past the evidence of a rollout. */
export function addPromote(program: Command): void {
  defineVerb(program, {
    usage: "promote <endpoint>",
    summary: "Promote an endpoint's running canary, whatever its evidence says so far",
    details:
      "An override: who and why stay on record and are told wherever the rollout is explained. Evaluations and approvals are asked for all the same.",
    examples: ['promote flight-delay --as grace --reason "fixes an outage, evidence can follow"'],
    acts: true,
  })
    .requiredOption("--reason <why>", "why; it is recorded in the audit trail")
    .action(
      answering(async (_screen, name: string, options: ActingOptions & { readonly reason: string }) => {
        const reason = resolveReason(options.reason);
        const endpoint = checked(nameSchema, name, "endpoint");
        return withActor(options, async (modelwright, by) => {
          const { rolloutId } = await modelwright.promote(endpoint, { by, reason });
          const line = `rollout ${rolloutId} is promoted by override of ${by}: ${reason}`;
          return { document: { endpoint, rolloutId, override: { by, reason } }, lines: [line] };
        });
      }),
    );
}
