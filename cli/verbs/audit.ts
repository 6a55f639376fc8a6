import type { Command } from "commander";
import type { LogProblem } from "../../adapters/checkpoints/anchors.ts";
import { checkLog, signLog } from "../../adapters/checkpoints/audit-log.ts";
import { loadNotes } from "../../adapters/checkpoints/checkpoint-file.ts";
import {
  createNoteKey,
  formatPublicKey,
  loadOwnKeys,
  loadPrivateKey,
  loadPublicKeys,
} from "../../adapters/checkpoints/note-key.ts";
import { formatCount } from "../../client/text.ts";
import { Failure } from "../../contracts/failures.ts";
import { EXIT_CODES } from "../../contracts/names.ts";
import { checkpointFiles } from "../../local/data-directory.ts";
import type { Answer } from "../answer.ts";
import { DEFAULT_CHECKPOINTS } from "../evidence/open-checkpoints.ts";
import { shownPath } from "../files.ts";
import type { Screen } from "../screen.ts";
import { answering, defineVerb, withStack } from "../verb.ts";
import { addArtifacts } from "./audit-artifacts.ts";
import { addRederive } from "./rederive.ts";

/** `audit …`: proof that the audit trail is the one that was written, and the bytes those it speaks of. */
export function addAudit(program: Command): void {
  const audit = program
    .command("audit")
    .summary("Check and sign the audit trail, and check the bytes it speaks of")
    .description("Check and sign the audit trail, and check the bytes it speaks of.");
  addVerify(audit);
  addCheckpoint(audit);
  addKey(audit);
  addRederive(audit);
  addArtifacts(audit);
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
      "Without checkpoints a trail that somebody rewrote as a whole looks right; with them it does not. Those that a stack on this machine signed are used unless others are named; keep copies of them elsewhere.\nExit code: 0 the trail is whole, 1 it could not be checked, 2 it is not: an event is modified or missing, the trail is truncated, forked from what was signed, or unanchored (a checkpoint without a right signature).",
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
        const named = await loadAnchors(options);
        return withStack(async ({ auditLog, addresses }) => {
          const anchors = named ?? (await loadOwnAnchors(addresses.dataDir));
          const { streams, events, problem } = await checkLog(auditLog, anchors);
          const agreed = streams.flatMap((stream) => stream.agreed);
          const anchoredEvents = Math.max(0, ...agreed.map(({ size }) => size));
          const document = {
            ok: !problem,
            events,
            ...(anchors && { checkpoints: agreed.length, anchoredEvents }),
            ...problem,
          };
          const count = `${formatCount(events)} events`;
          if (problem) {
            return refused(screen, problem, `${count} were found as they were recorded`, document);
          }
          const lines = [`${screen.paint("good", "✔")} ${count}, the chain is whole`];
          if (anchors) {
            const agree = `signed checkpoints that agree: ${formatCount(agreed.length)}`;
            lines.push(
              `${screen.paint("good", "✔")} ${agree}; they cover the first ${formatCount(anchoredEvents)} events`,
            );
          }
          return { document, lines };
        });
      }),
    );
}

/** @throws INPUT_INVALID for one without the other: a checkpoint whose signature nobody checks anchors nothing */
async function loadAnchors({ checkpoint, publicKey }: VerifyOptions) {
  if (checkpoint === undefined && publicKey === undefined) return undefined;
  if (checkpoint === undefined || publicKey === undefined) {
    const where = checkpoint === undefined ? "--checkpoint" : "--public-key";
    throw new Failure("INPUT_INVALID", { where, problems: "it is missing; checkpoints and their key go together" });
  }
  return { notes: await loadNotes(checkpoint), keys: await loadPublicKeys(publicKey) };
}

/** What the stack on this data folder signed, if there is one and it did. */
async function loadOwnAnchors(dataDir: string | null) {
  if (dataDir === null) return undefined;
  const { key, checkpoints } = checkpointFiles(process.env, dataDir);
  const [notes, keys] = await Promise.all([loadNotes(checkpoints), loadOwnKeys(key)]);
  return notes.length > 0 && keys.length > 0 ? { notes, keys } : undefined;
}

interface CheckpointOptions {
  readonly key: string;
  readonly out: string;
  readonly publicKey?: string;
  readonly full?: boolean;
}

function addCheckpoint(audit: Command): void {
  defineVerb(audit, {
    usage: "checkpoint",
    summary: "Sign the audit trail as it stands, into a file outside the database",
    details:
      "Goes on from the newest checkpoint of the file and verifies what came since; --full, and the first one, every event. A trail that is found changed, cut or rewritten is not signed (exit code 2); what is signed never commits to another past than the checkpoint before. Keep copies of the file where the database's administrator cannot write.",
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
    .option("--full", "read every event again, not only those since the newest checkpoint")
    .action(
      answering(async (screen, { key: keyPath, out, publicKey, full = false }: CheckpointOptions) => {
        const key = await loadPrivateKey(keyPath);
        const formerKeys = publicKey === undefined ? [] : await loadPublicKeys(publicKey);
        return withStack(async ({ auditLog }) => {
          const outcome = await signLog(auditLog, { path: out, key, formerKeys, whole: full });
          if ("problem" in outcome) {
            const { problem } = outcome;
            return refused(screen, problem, `nothing was signed, ${shownPath(out)} is as it was`, {
              ok: false,
              ...problem,
            });
          }
          const { whole, checkpoints } = outcome;
          const written = checkpoints.some((checkpoint) => checkpoint.written);
          const count = `${formatCount(checkpoints.reduce((sum, { size }) => sum + size, 0))} events`;
          const said = written ? `${count} signed into ${shownPath(out)}` : `${count}, signed before; nothing new`;
          const signed = checkpoints.map(({ stream, size, note }) => ({ stream, size, note }));
          return {
            document: { ok: true, written, whole, checkpoints: signed },
            lines: [`${screen.paint("good", "✔")} ${said}`],
          };
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
