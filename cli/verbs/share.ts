import type { Command } from "commander";
import { formatBasisPoints } from "../../client/text.ts";
import { nameSchema } from "../../contracts/primitives.ts";
import { answering, checked, defineVerb, parseNumber, resolveReason, withActor, type ActingOptions } from "../verb.ts";

interface ShareOptions extends ActingOptions {
  readonly reason: string;
  readonly override?: boolean;
}

/** `share ENDPOINT BASIS-POINTS|plan`: another share for a running canary, or the plan's again. */
export function addShare(program: Command): void {
  defineVerb(program, {
    usage: "share <endpoint> <basis-points>",
    summary: "Give an endpoint's running canary another share and hold it there, or `plan` to go on",
    details:
      "Up to the share of its present step without more ado. More goes past the evidence: with --override, which stays on record. Looks go on meanwhile, and harm still rolls back.",
    examples: [
      'share flight-delay 100 --as grace --reason "fewer users over the holiday"',
      'share flight-delay 5000 --override --as grace --reason "load test"',
      'share flight-delay plan --as grace --reason "holiday is over"',
    ],
    acts: true,
  })
    .option("--override", "a share that the evidence has not earned")
    .requiredOption("--reason <why>", "why; it is recorded in the audit trail")
    .action(
      answering(async (_screen, name: string, wanted: string, options: ShareOptions) => {
        const reason = resolveReason(options.reason);
        const endpoint = checked(nameSchema, name, "endpoint");
        const basisPoints = wanted === "plan" ? null : parseNumber(wanted);
        return withActor(options, async (modelwright, by) => {
          if (basisPoints === null) {
            const { rolloutId } = await modelwright.resumeRamp(endpoint, { by, reason });
            const lines = [`rollout ${rolloutId} goes on by its plan`];
            return { document: { endpoint, rolloutId, canaryShare: null }, lines };
          }
          const share = { basisPoints, override: options.override === true };
          const { rolloutId } = await modelwright.setShare(endpoint, { by, reason, share });
          const lines = [
            `rollout ${rolloutId} gives its canary ${formatBasisPoints(basisPoints)} and holds there${share.override ? ", by override" : ""}`,
          ];
          return { document: { endpoint, rolloutId, canaryShare: basisPoints, override: share.override }, lines };
        });
      }),
    );
}
