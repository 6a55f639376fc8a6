import type { Command } from "commander";
import { formatCount } from "../../client/text.ts";
import { Failure } from "../../contracts/failures.ts";
import { EXIT_CODES } from "../../contracts/names.ts";
import type { Answer } from "../answer.ts";
import { anchorLog, chainProblem, loadAuditLog, type LogProblem } from "../evidence/anchored-log.ts";
import { DEFAULT_CHECKPOINTS, loadNotes, writeCheckpoint } from "../evidence/checkpoint-file.ts";
import { createNoteKey, formatPublicKey, loadPrivateKey, loadPublicKeys } from "../evidence/note-key.ts";
import { shownPath } from "../files.ts";
import type { Screen } from "../screen.ts";
import { answering, defineVerb, withStack } from "../verb.ts";

/** `audit verify`, `audit checkpoint`, `audit key`: proof that the audit trail is the one that was written. */
export function addAudit(program: Command): void {
  const audit = program
    .command("audit")
    .summary("Check and sign the audit trail")
    .description("Check and sign the audit trail.");
  addVerify(audit);
  addCheckpoint(audit);
  addKey(audit);
}

interface VerifyOptions {
  readonly checkpoint?: string;
  readonly publicKey?: string;
}

function addVerify(audit: Command): void {
  defineVerb(audit, {
    usage: "verify",
    summary: "Recompute every hash of the audit trail, and compare it with signed checkpoints",
    details:
      "Without checkpoints a trail that somebody rewrote as a whole looks right; with them it does not.\nExit code: 0 the trail is whole, 1 it could not be checked, 2 it is not: an event is modified or missing, the trail is truncated, forked from what was signed, or unanchored (a checkpoint without a right signature).",
    examples: [
      "audit verify",
      "audit verify --checkpoint audit-checkpoints.txt --public-key audit.pub",
      "audit verify --json",
    ],
  })
    .option("--checkpoint <file>", "signed checkpoints, as `audit checkpoint` writes them")
    .option("--public-key <file>", "the key they are signed with, as `audit key` printed it; kept apart from the file")
    .action(
      answering(async (screen, options: VerifyOptions) => {
        const anchors = await loadAnchors(options);
        return withStack(async (modelwright) => {
          const { verification, tree } = await loadAuditLog(modelwright);
          const broken = chainProblem(verification);
          const anchoring = anchors && !broken ? anchorLog(tree, anchors.notes, anchors.keys) : undefined;
          const problem = broken ?? anchoring?.problem;
          const count = `${formatCount(verification.events)} events`;
          const anchored = anchoring && {
            checkpoints: anchoring.checkpoints.length,
            anchoredEvents: anchoring.anchoredEvents,
          };
          const document = {
            ...verification,
            ok: !problem,
            ...anchored,
            ...(problem && { kind: problem.kind, found: problem.found }),
          };
          if (broken) return refused(screen, broken, `${count} before it are right`, document);
          if (problem) return refused(screen, problem, `the chain of ${count} is whole in itself`, document);
          const lines = [`${screen.paint("good", "✔")} ${count}, the chain is whole`];
          if (anchored) {
            const agree = `${formatCount(anchored.checkpoints)} signed checkpoints agree`;
            lines.push(
              `${screen.paint("good", "✔")} ${agree}; they cover the first ${formatCount(anchored.anchoredEvents)}`,
            );
          }
          return { document, lines };
        });
      }),
    );
}

/** @throws INPUT_INVALID for one without the other: a checkpoint whose signature nobody checks anchors nothing */
async function loadAnchors({ checkpoint, publicKey }: VerifyOptions) {
  if (checkpoint === undefined && publicKey === undefined) return null;
  if (checkpoint === undefined || publicKey === undefined) {
    const where = checkpoint === undefined ? "--checkpoint" : "--public-key";
    throw new Failure("INPUT_INVALID", { where, problems: "it is missing; checkpoints and their key go together" });
  }
  return { notes: await loadNotes(checkpoint), keys: await loadPublicKeys(publicKey) };
}

interface CheckpointOptions {
  readonly key: string;
  readonly out: string;
  readonly publicKey?: string;
}

function addCheckpoint(audit: Command): void {
  defineVerb(audit, {
    usage: "checkpoint",
    summary: "Sign the audit trail as it stands, into a file outside the database",
    details:
      "Verifies the whole trail and every checkpoint of the file first: a trail that was changed, cut or rewritten since is not signed (exit code 2). Keep copies of the file where the database's administrator cannot write.",
    examples: [
      "audit checkpoint --key audit.key",
      "audit checkpoint --key audit.key --out /mnt/worm/audit-checkpoints.txt",
    ],
  })
    .requiredOption("--key <file>", "the signing key, as `audit key` made it")
    .option("--out <file>", "file of checkpoints to append to", DEFAULT_CHECKPOINTS)
    .option(
      "--public-key <file>",
      "keys that were in use before; checkpoints of the file that they signed are accepted",
    )
    .action(
      answering(async (screen, { key: keyPath, out, publicKey }: CheckpointOptions) => {
        const key = await loadPrivateKey(keyPath);
        const formerKeys = publicKey === undefined ? [] : await loadPublicKeys(publicKey);
        return withStack(async (modelwright) => {
          const outcome = await writeCheckpoint(await loadAuditLog(modelwright), { path: out, key, formerKeys });
          if ("problem" in outcome) {
            const { problem } = outcome;
            return refused(screen, problem, `nothing was signed, ${shownPath(out)} is as it was`, {
              ok: false,
              ...problem,
            });
          }
          const { written, size, note } = outcome;
          const count = `${formatCount(size)} events`;
          const said = written ? `${count} signed into ${shownPath(out)}` : `${count}, signed before; nothing new`;
          return { document: { ok: true, written, size, note }, lines: [`${screen.paint("good", "✔")} ${said}`] };
        });
      }),
    );
}

function addKey(audit: Command): void {
  defineVerb(audit, {
    usage: "key",
    summary: "Make a key that signs checkpoints; prints the public key",
    details:
      "The name tells logs apart, so give every installation its own, `example.org/modelwright` for instance. Give the printed line to whoever verifies.",
    examples: ["audit key --out audit.key --name example.org/modelwright > audit.pub"],
  })
    .requiredOption("--out <file>", "where the signing key goes, readable by you alone; never replaced")
    .option("--name <name>", "name of the key and of the log", "modelwright")
    .action(
      answering(async (_screen, { out, name }: { out: string; name: string }) => {
        const publicKey = formatPublicKey(await createNoteKey(out, name));
        return { document: { publicKey, key: shownPath(out) }, lines: [publicKey] };
      }),
    );
}

function refused(screen: Screen, { found }: LogProblem, rest: string, document: unknown): Answer {
  return { document, lines: [`${screen.paint("bad", "✖")} ${found}; ${rest}`], exitCode: EXIT_CODES.gateFailed };
}
