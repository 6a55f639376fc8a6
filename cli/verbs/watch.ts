import type { Command } from "commander";
import { parseLifecycleId } from "../../client/reference.ts";
import { followLifecycle } from "../follow.ts";
import { answering, defineVerb, withStack } from "../verb.ts";

/** `watch ID`: follows a lifecycle. */
export function addWatch(program: Command): void {
  defineVerb(program, {
    usage: "watch <id>",
    summary: "Follow a lifecycle until it ends or somebody has to approve",
    details:
      "Draws the stages in place in a terminal, and prints a line a change elsewhere. Ctrl-C stops the watching, not the lifecycle. Exit code: 0 completed, 1 error, 2 a gate failed, 3 waiting for approval.",
    examples: ["watch flight-delay-1f2e3d4c", "watch flight-delay-1f2e3d4c --through-waits"],
  })
    .option("--through-waits", "go on watching while an approval is waited for")
    .action(
      answering(async (screen, id: string, options: { readonly throughWaits?: boolean }) => {
        const lifecycleId = parseLifecycleId(id);
        return withStack((modelwright) =>
          followLifecycle(modelwright, screen, { lifecycleId, throughWaits: options.throughWaits ?? false }),
        );
      }),
    );
}
