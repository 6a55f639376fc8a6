import type { Command } from "commander";
import { parseRun } from "../../client/reference.ts";
import { answering, defineVerb, resolveReason, withActor, type ActingOptions } from "../verb.ts";

interface DecisionVerb {
  readonly name: "pause" | "resume" | "abort";
  readonly summary: string;
  /** What is said when it is done. */
  readonly done: string;
  readonly reason: string;
}

/** What people ask of a lifecycle or of a rollout; each is recorded with who and why. */
const DECISIONS: readonly DecisionVerb[] = [
  {
    name: "pause",
    summary: "Hold a lifecycle before its next stage, or a rollout at its present share",
    done: "paused",
    reason: "holiday traffic",
  },
  {
    name: "resume",
    summary: "Let a paused lifecycle or rollout go on",
    done: "resumed",
    reason: "holiday is over",
  },
  {
    name: "abort",
    summary: "End a lifecycle or a rollout, one that waits too; a running canary goes back to the champion",
    done: "aborted",
    reason: "wrong data window",
  },
];

/** `pause`, `resume` and `abort`: one shape, so one file. */
export function addDecisions(program: Command): void {
  for (const { name, summary, done, reason } of DECISIONS) {
    defineVerb(program, {
      usage: `${name} <id>`,
      summary,
      examples: [
        `${name} flight-delay-1f2e3d4c --as grace --reason "${reason}"`,
        `${name} rollout/flight-delay-9a8b7c6d --as grace --reason "${reason}"`,
      ],
      acts: true,
    })
      .requiredOption("--reason <why>", "why; it is recorded in the audit trail")
      .action(
        answering(async (_screen, id: string, options: ActingOptions & { readonly reason: string }) => {
          const reason = resolveReason(options.reason);
          const run = parseRun(id);
          return withActor(options, async (modelwright, by) => {
            const request = { by, reason };
            const named = run.kind === "rollout" ? { rolloutId: run.id } : { lifecycleId: run.id };
            if (run.kind === "rollout") await modelwright.askRollout(run.id, name, request);
            else await modelwright[name](run.id, request);
            return {
              document: { ...named, [name]: request },
              lines: [`${done} ${run.id} by ${request.by}: ${request.reason}`],
            };
          });
        }),
      );
  }
}
