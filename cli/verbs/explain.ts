import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import type { Modelwright, PredictionExplanation } from "../../client/index.ts";
import { parseReference, type ReferenceKind } from "../../client/reference.ts";
import { formatCount, printable, wrapText } from "../../client/text.ts";
import { Failure } from "../../contracts/failures.ts";
import { EXIT_CODES } from "../../contracts/names.ts";
import type { Answer } from "../answer.ts";
import { bundleText, refsOf, subjectsOf } from "../evidence/build-bundle.ts";
import { openCheckpoints, type CheckpointOptions } from "../evidence/open-checkpoints.ts";
import { proveBundle } from "../evidence/prove-bundle.ts";
import { explainPrediction } from "../explain-prediction.ts";
import { explainRollouts } from "../explain-rollouts.ts";
import { shownPath } from "../files.ts";
import { answering, defineVerb, withStack } from "../verb.ts";

const RECOMPUTED: readonly ReferenceKind[] = ["lifecycle", "rollout"];

interface ExplainOptions extends CheckpointOptions {
  readonly bundle?: string;
  readonly out?: string;
}

/** `explain REF`: a prediction's chain in sentences, or as evidence that an outsider verifies; a rollout's verdicts, recomputed. */
export function addExplain(program: Command): void {
  defineVerb(program, {
    usage: "explain <ref>",
    summary: "Tell why a prediction was what it was, or whether a rollout's verdicts follow from its records",
    details:
      "prediction/ID: its chain in sentences. lifecycle/ID and rollout/ID: every recorded look is judged again from its recorded counts, and the promotion with it; each is a match or a mismatch (exit 2).\n\n--bundle writes the evidence as one file for somebody with no access to this system; `node verifier/verify-bundle.mjs FILE --public-key KEY` checks it. It leads to a signed checkpoint: one that the stack signs now; or the newest of --checkpoint; or with --key one that is signed now and appended there.\nExit code: 2 when the audit trail is not the one that was signed; then no bundle is written.",
    examples: [
      "explain prediction/0193a0c2-7e55-7c3e-9f0a-3b1d2c4e5f60",
      "explain lifecycle/flight-delay-ee649c50 --json",
      "explain lifecycle/flight-delay-ee649c50 --out modelwright-report",
      "explain prediction/0193a0c2-7e55-7c3e-9f0a-3b1d2c4e5f60 --bundle evidence.json",
    ],
  })
    .option("--bundle <file>", "write the evidence to this file")
    .option(
      "--out <directory>",
      "of a lifecycle or rollout: where each rollout's looks go, as rollout-ID.html and .json",
    )
    .option("--checkpoint <file>", "signed checkpoints of your own, as `audit checkpoint` writes them")
    .option("--key <file>", "sign a new one with this key, instead of the stack")
    .option("--public-key <file>", "the key the checkpoints are signed with, when --key is not given")
    .action(
      answering(async (screen, ref: string, options: ExplainOptions) => {
        const reference = parseReference(ref);
        const { kind, name, text } = reference;
        if (RECOMPUTED.includes(kind)) {
          if (options.bundle !== undefined)
            throw unfit("--bundle", "a bundle is about one prediction, as prediction/ID");
          return withStack((modelwright) => explainRollouts(modelwright, screen, reference, options.out));
        }
        if (kind !== "prediction") {
          throw unfit(text, "predictions, lifecycles and rollouts are explained; `modelwright lineage` shows the rest");
        }
        if (options.out !== undefined)
          throw unfit("--out", "it is for rollout/ID and lifecycle/ID; a prediction has --bundle");
        return withStack(async (modelwright) => {
          const explained = await modelwright.explain(name, { refs: options.bundle !== undefined });
          if (options.bundle !== undefined) return writeBundle(modelwright, explained, options.bundle, options);
          const lines = explainPrediction(explained).flatMap((sentence) => [
            ...wrapText(printable(sentence), screen.width),
            "",
          ]);
          return {
            document: explained,
            lines: lines.slice(0, -1),
          };
        });
      }),
    );
}

const unfit = (where: string, problems: string) => new Failure("INPUT_INVALID", { where, problems });

async function writeBundle(
  modelwright: Modelwright,
  explained: PredictionExplanation,
  path: string,
  options: CheckpointOptions,
): Promise<Answer> {
  const opened = await openCheckpoints(modelwright, options);
  if ("problem" in opened) return refused(opened.problem);
  const events = await modelwright.auditEvents(subjectsOf(explained));
  const proved = await proveBundle({
    log: modelwright.auditLog,
    explained,
    events,
    openings: await modelwright.openings(refsOf(explained, events)),
    ...opened,
  });
  if ("problem" in proved) return refused(proved.problem);
  const { bundle } = proved;
  const text = bundleText(bundle);
  await writeFile(path, text).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Failure(
      "INPUT_INVALID",
      { where: path, problems: `the bundle cannot be written (${reason})` },
      { cause },
    );
  });
  const size = `${formatCount(new TextEncoder().encode(text).length)} bytes`;
  return {
    document: { bundle: shownPath(path), events: bundle.events.length, eventsLeftOut: bundle.eventsLeftOut },
    lines: [
      `${bundle.events.length} audit events with their proofs, ${size}, in ${shownPath(path)}`,
      `Check it anywhere: node verifier/verify-bundle.mjs ${shownPath(path)} --public-key FILE`,
    ],
  };
}

function refused({ kind, found }: { readonly kind: string; readonly found: string }): Answer {
  return {
    document: { ok: false, kind, found },
    lines: [`${found}; no bundle was written, see \`modelwright audit verify\``],
    exitCode: EXIT_CODES.gateFailed,
  };
}
