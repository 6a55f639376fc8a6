import type { Command } from "commander";
import { parseRun } from "../../client/reference.ts";
import { followRollout } from "../follow-rollout.ts";
import { followLifecycle } from "../follow.ts";
import { answering, defineVerb, withStack } from "../verb.ts";

/** `watch ID`: follows a lifecycle, or a rollout that somebody deployed by hand. */
export function addWatch(program: Command): void {
  defineVerb(program, {
    usage: "watch <id>",
    summary: "Follow a lifecycle until it ends or somebody has to approve, or a rollout by rollout/ID",
    details:
      "Draws the stages in place in a terminal, and prints a line a change elsewhere. Ctrl-C stops the watching, not the lifecycle. Exit code: 0 completed, 1 error, 2 a gate failed, 3 waiting for approval.",
    examples: [
      "watch flight-delay-1f2e3d4c",
      "watch flight-delay-1f2e3d4c --through-waits",
      "watch rollout/flight-delay-9a8b7c6d",
    ],
  })
    .option("--through-waits", "go on watching while an approval is waited for")
    .action(
      answering(async (screen, id: string, options: { readonly throughWaits?: boolean }) => {
        const run = parseRun(id);
        if (run.kind === "rollout") {
          return withStack((modelwright) => followRollout(modelwright, screen, run.id));
        }
        const { throughWaits = false } = options;
        return withStack((modelwright) => followLifecycle(modelwright, screen, { lifecycleId: run.id, throughWaits }));
      }),
    );
}
