import type { Command } from "commander";
import { parseLifecycleId } from "../../client/reference.ts";
import { answering, defineVerb, withActor, type ActingOptions } from "../verb.ts";

/** `retry ID`: a failed lifecycle again. */
export function addRetry(program: Command): void {
  defineVerb(program, {
    usage: "retry <id>",
    summary: "Run a failed lifecycle again; stages that passed are kept",
    examples: ["retry flight-delay-1f2e3d4c --as ada"],
    acts: true,
  }).action(
    answering(async (screen, id: string, options: ActingOptions) => {
      const lifecycleId = parseLifecycleId(id);
      return withActor(options, async (modelwright, as) => {
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
