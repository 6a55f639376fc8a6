import type { Command } from "commander";
import { parseLifecycleId } from "../../client/reference.ts";
import { answering, asOption, defineVerb, resolveActor, withStack } from "../verb.ts";

/** `retry ID`: a failed lifecycle again. */
export function addRetry(program: Command): void {
  defineVerb(program, {
    usage: "retry <id>",
    summary: "Run a failed lifecycle again; stages that passed are kept",
    examples: ["retry flight-delay-1f2e3d4c --as ada"],
  })
    .addOption(asOption())
    .action(
      answering(async (screen, id: string, options: { readonly as?: string }) => {
        const as = resolveActor(options.as);
        const lifecycleId = parseLifecycleId(id);
        return withStack(async (modelwright) => {
          const retried = await modelwright.retry(lifecycleId, { as });
          const lines = [
            `round ${retried.round} of ${lifecycleId} started`,
            screen.paint("soft", `follow it: modelwright watch ${lifecycleId}`),
          ];
          return { document: retried, lines };
        });
      }),
    );
}
