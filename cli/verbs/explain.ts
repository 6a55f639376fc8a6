import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import type { Modelwright } from "../../client/index.ts";
import { parseReference } from "../../client/reference.ts";
import { formatCount, printable, wrapText } from "../../client/text.ts";
import { Failure } from "../../contracts/failures.ts";
import { EXIT_CODES } from "../../contracts/names.ts";
import type { Answer } from "../answer.ts";
import { anchorLog, chainProblem, loadAuditLog } from "../evidence/anchored-log.ts";
import { buildBundle, bundleText, subjectsOf } from "../evidence/build-bundle.ts";
import { DEFAULT_CHECKPOINTS, loadNotes, writeCheckpoint } from "../evidence/checkpoint-file.ts";
import { formatPublicKey, loadPrivateKey, loadPublicKeys, type PrivateNoteKey } from "../evidence/note-key.ts";
import { explainPrediction } from "../explain-prediction.ts";
import { shownPath } from "../files.ts";
import { loadPrediction, type ExplainedPrediction } from "../load-prediction.ts";
import { answering, defineVerb, withStack } from "../verb.ts";

interface ExplainOptions {
  readonly bundle?: string;
  readonly checkpoint: string;
  readonly key?: string;
  readonly publicKey?: string;
}

/** `explain prediction/ID`: the chain in sentences, or as evidence that an outsider verifies. */
export function addExplain(program: Command): void {
  defineVerb(program, {
    usage: "explain <ref>",
    summary: "Tell in sentences why a prediction was what it was: prediction/ID",
    details:
      "--bundle writes the evidence as one file for somebody with no access to this system; `node verifier/verify-bundle.mjs FILE --public-key KEY` checks it. It leads to a signed checkpoint: the newest of --checkpoint, or with --key one that is signed now and appended there.\nExit code: 2 when the audit trail is not the one that was signed; then no bundle is written.",
    examples: [
      "explain prediction/0193a0c2-7e55-7c3e-9f0a-3b1d2c4e5f60",
      "explain prediction/0193a0c2-7e55-7c3e-9f0a-3b1d2c4e5f60 --bundle evidence.json --key audit.key",
    ],
  })
    .option("--bundle <file>", "write the evidence to this file")
    .option("--checkpoint <file>", "signed checkpoints, as `audit checkpoint` writes them", DEFAULT_CHECKPOINTS)
    .option("--key <file>", "sign a new checkpoint with this key first")
    .option("--public-key <file>", "the key the checkpoints are signed with, when --key is not given")
    .action(
      answering(async ({ width }, ref: string, options: ExplainOptions) => {
        const { kind, name, text } = parseReference(ref);
        if (kind !== "prediction") {
          const problems = "only predictions are explained, as prediction/ID; `modelwright lineage` shows the rest";
          throw new Failure("INPUT_INVALID", { where: text, problems });
        }
        return withStack(async (modelwright) => {
          const explained = await loadPrediction(modelwright, name);
          if (options.bundle !== undefined) return writeBundle(modelwright, explained, options.bundle, options);
          const lines = explainPrediction(explained).flatMap((sentence) => [
            ...wrapText(printable(sentence), width),
            "",
          ]);
          return {
            document: { ...explained.explanation, trainingData: explained.trainingData },
            lines: lines.slice(0, -1),
          };
        });
      }),
    );
}

async function writeBundle(
  modelwright: Modelwright,
  explained: ExplainedPrediction,
  path: string,
  { checkpoint, ...options }: ExplainOptions,
): Promise<Answer> {
  const { key, publicKeys } = await loadKeys(options);
  const log = await loadAuditLog(modelwright);
  const broken = chainProblem(log.verification);
  if (broken) return refused(broken);
  if (key) {
    const signed = await writeCheckpoint(log, { path: checkpoint, key, formerKeys: publicKeys });
    if ("problem" in signed) return refused(signed.problem);
  }
  const notes = await loadNotes(checkpoint);
  const { checkpoints, problem } = anchorLog(log.tree, notes, publicKeys);
  if (problem) return refused(problem);
  const [publicKey] = publicKeys;
  const bundle = buildBundle({
    explained,
    events: await modelwright.auditEvents(subjectsOf(explained)),
    tree: log.tree,
    checkpoints,
    notes,
    publicKey: publicKey ? formatPublicKey(publicKey) : "",
  });
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

/** @throws INPUT_INVALID when neither key is given: nobody could tell a right checkpoint from a wrong one */
async function loadKeys({ key: keyPath, publicKey }: Omit<ExplainOptions, "checkpoint">) {
  const known = publicKey === undefined ? [] : await loadPublicKeys(publicKey);
  const key: PrivateNoteKey | null = keyPath === undefined ? null : await loadPrivateKey(keyPath);
  if (key) return { key, publicKeys: [key, ...known] };
  if (known.length > 0) return { key, publicKeys: known };
  const problems =
    "a bundle needs a key: --key FILE signs a checkpoint now (`modelwright audit key` makes one), --public-key FILE uses the ones signed before";
  throw new Failure("INPUT_INVALID", { where: "--bundle", problems });
}

function refused({ kind, found }: { readonly kind: string; readonly found: string }): Answer {
  return {
    document: { ok: false, kind, found },
    lines: [`${found}; no bundle was written, see \`modelwright audit verify\``],
    exitCode: EXIT_CODES.gateFailed,
  };
}
