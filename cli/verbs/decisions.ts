import type { Command } from "commander";
import type { Modelwright } from "../../client/index.ts";
import { parseLifecycleId } from "../../client/reference.ts";
import type { Request } from "../../contracts/messages.ts";
import { answering, asOption, defineVerb, resolveReason, tokenOption, withActor, type ActingOptions } from "../verb.ts";

interface DecisionVerb {
  readonly name: string;
  readonly summary: string;
  /** What is said when it is done. */
  readonly done: string;
  readonly reason: string;
  readonly decide: (modelwright: Modelwright, lifecycleId: string, request: Request) => Promise<void>;
}

/** What people ask of a lifecycle; each is recorded with who and why. */
const DECISIONS: readonly DecisionVerb[] = [
  {
    name: "pause",
    summary: "Hold a lifecycle before its next stage, or its rollout at its present share",
    done: "paused",
    reason: "holiday traffic",
    decide: (modelwright, id, request) => modelwright.pause(id, request),
  },
  {
    name: "resume",
    summary: "Let a paused lifecycle go on",
    done: "resumed",
    reason: "holiday is over",
    decide: (modelwright, id, request) => modelwright.resume(id, request),
  },
  {
    name: "abort",
    summary: "End a lifecycle; a running canary goes back to the champion",
    done: "aborted",
    reason: "wrong data window",
    decide: (modelwright, id, request) => modelwright.abort(id, request),
  },
];

/** `pause`, `resume` and `abort`: one shape, so one file. */
export function addDecisions(program: Command): void {
  for (const { name, summary, done, reason, decide } of DECISIONS) {
    defineVerb(program, {
      usage: `${name} <id>`,
      summary,
      examples: [`${name} flight-delay-1f2e3d4c --as grace --reason "${reason}"`],
    })
      .addOption(asOption())
      .addOption(tokenOption())
      .requiredOption("--reason <why>", "why; it is recorded in the audit trail")
      .action(
        answering(async (_screen, id: string, options: ActingOptions & { readonly reason: string }) => {
          const reason = resolveReason(options.reason);
          const lifecycleId = parseLifecycleId(id);
          return withActor(options, async (modelwright, by) => {
            const request = { by, reason };
            await decide(modelwright, lifecycleId, request);
            return {
              document: { lifecycleId, [name]: request },
              lines: [`${done} ${lifecycleId} by ${request.by}: ${request.reason}`],
            };
          });
        }),
      );
  }
}
