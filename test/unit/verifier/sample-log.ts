import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Opening, PredictionExplanation, StoredAuditEvent } from "../../../client/index.ts";
import { openAnchors } from "../../../adapters/checkpoints/anchors.ts";
import { signLog } from "../../../adapters/checkpoints/audit-log.ts";
import { loadNotes } from "../../../adapters/checkpoints/checkpoint-file.ts";
import { createNoteKey, formatPublicKey, loadPrivateKey } from "../../../adapters/checkpoints/note-key.ts";
import { sha256 } from "../../../adapters/checkpoints/sha256.ts";
import { subjectsOf } from "../../../cli/evidence/build-bundle.ts";
import { proveBundle } from "../../../cli/evidence/prove-bundle.ts";
import type { AuditBody, AuditEvent } from "../../../contracts/audit.ts";
import { EVIDENCE_FORMAT, type ApprovalEvidence } from "../../../contracts/approval.ts";
import type { AuditLog } from "../../../contracts/audit-log.ts";
import { STATEMENT_FORMAT, type Statement } from "../../../contracts/identity.ts";
import type { EvidenceBundle } from "../../../contracts/evidence.ts";
import { canonicalBytes, digestOf } from "../../../db/canonical.ts";
import { createMemoryLog } from "../../support/memory-log.ts";

const hex = (text: string) => Buffer.from(sha256(Buffer.from(text))).toString("hex");

export const sourceText = "the source";
export const reportText = "the report";
export const trainedId = "019aa000-0000-7000-8000-000000000001";
const optimizedId = "019aa000-0000-7000-8000-000000000002";
const evaluationId = "019aa000-0000-7000-8000-000000000003";
const gates = [{ metric: "roc-auc", verdict: "pass", reason: "0.68 is at least 0.6" }] as const;

const approvalId = "019aa000-0000-7000-8000-000000000004";
const glassId = "019aa000-0000-7000-8000-000000000005";

const evidence: ApprovalEvidence = {
  format: EVIDENCE_FORMAT,
  version: "flights@2",
  versionId: optimizedId,
  modelDigest: hex("int8"),
  environment: "production",
  lifecycle: "lc-1",
  evaluation: { id: evaluationId, report: hex(reportText), gates: digestOf(gates) },
  policy: hex("policy"),
};
/** Of the approver's token. */
const tokenKey = generateKeyPairSync("ed25519");
const publicKey = tokenKey.publicKey.export({ format: "jwk" }).x ?? "";

const statementOf = (by: Opening): Statement => ({
  format: STATEMENT_FORMAT,
  deed: "decide",
  subject: "lifecycle/lc-1",
  by: by.ref,
  reason: words.ref,
  details: digestOf({ decision: "approve", evidence: digestOf(evidence) }),
  issuedAt: "2026-01-01T00:00:00.000Z",
  expiresAt: "2026-01-01T01:00:00.000Z",
  nonce: "00112233445566778899aabbccddeeff",
});

interface Told {
  readonly statement?: string;
  readonly actor: string;
  readonly subject: string;
  readonly body: AuditBody;
}

/** What a lifecycle tells on its way to production. */
function story(by: Opening): Told[] {
  const lifecycle = "lifecycle/lc-1";
  const version = { kind: "version-registered", lifecycle: "lc-1" } as const;
  const routed = { kind: "routing-advanced", endpoint: "live", reason: "rollout promoted" } as const;
  const alone = { championVersionId: optimizedId, canaryVersionId: null, canaryShare: 0 };
  return [
    {
      actor: "ada",
      subject: lifecycle,
      body: { kind: "lifecycle-started", model: "flights", specDigest: hex("spec"), reason: "", causedBy: null },
    },
    {
      actor: "ada",
      subject: `artifact/${hex("training")}`,
      body: { kind: "snapshot-recorded", digest: hex("training"), sourceDigest: hex(sourceText) },
    },
    {
      actor: "ada",
      subject: "model/flights@1",
      body: {
        ...version,
        versionId: trainedId,
        digest: hex("fp32"),
        origin: "trained",
        parentVersionId: null,
        trainingData: hex("training"),
      },
    },
    {
      actor: "ada",
      subject: "model/flights@2",
      body: {
        ...version,
        versionId: optimizedId,
        digest: hex("int8"),
        origin: "optimized",
        parentVersionId: trainedId,
        trainingData: null,
      },
    },
    {
      actor: "ada",
      subject: `evaluation/${evaluationId}`,
      body: {
        kind: "evaluation-recorded",
        versionId: optimizedId,
        modelDigest: hex("int8"),
        dataDigest: hex("evaluation"),
        reportDigest: hex(reportText),
        verdict: "pass",
        gatesDigest: digestOf(gates),
      },
    },
    {
      actor: by.ref,
      subject: "model/flights@2",
      statement: digestOf(statementOf(by)),
      body: {
        kind: "approval-decided",
        decision: "approve",
        reason: words.ref,
        evidenceDigest: digestOf(evidence),
        approvalId,
        environment: "production",
      },
    },
    {
      actor: "root",
      subject: "token/0011223344556677",
      body: {
        kind: "token-issued",
        principal: by.ref,
        publicKey,
        scope: { deeds: null, models: null, environments: null },
        expiresAt: "2027-01-01T00:00:00.000Z",
        assurance: "owner",
        reason: "",
      },
    },
    {
      actor: "root",
      subject: "model/flights@2",
      body: {
        kind: "glass-broken",
        glassId,
        alarm: "019aa000-0000-7000-8000-000000000009",
        environment: "production",
        reason: words.ref,
      },
    },
    {
      actor: "ada",
      subject: "rollout/r-1",
      body: {
        kind: "rollout-started",
        endpoint: "live",
        planDigest: hex("plan"),
        championVersionId: null,
        canaryVersionId: optimizedId,
        approvals: [approvalId],
        glassId,
      },
    },
    {
      actor: "ada",
      subject: "endpoint/live",
      body: { ...routed, ...alone, epoch: 4, evaluations: [{ versionId: optimizedId, evaluationId }] },
    },
    {
      actor: "ada",
      subject: "endpoint/live",
      body: { ...routed, ...alone, epoch: 5, evaluations: [{ versionId: optimizedId, evaluationId }] },
    },
  ];
}

const noise = (index: number): Told => ({
  actor: "modelwright/scheduler",
  subject: `lifecycle/other-${index}`,
  body: { kind: "lifecycle-status", status: "completed", outcome: null, failureCode: null },
});

/** Events as the database stores them; `others` before and after the story. */
export function storedEvents(others = 40, by = approver): StoredAuditEvent[] {
  const around = Array.from({ length: others }, (_, index) => noise(index));
  const told = [...around.slice(0, others / 2), ...story(by), ...around.slice(others / 2)];
  return told.map(({ actor, subject, body, statement }, index) => {
    const seq = index + 1;
    const at = `2026-01-01T00:00:${String(Math.min(59, seq)).padStart(2, "0")}.000000Z`;
    // Not parsed: an earlier release's actors are names.
    const event: AuditEvent = {
      stream: "modelwright",
      seq,
      at,
      actor,
      subject,
      body,
      ...(statement ? { statement } : {}),
    };
    return { seq, subject, kind: body.kind, body: canonicalBytes(event) };
  });
}

/** A log of these events, and another stream beside it. */
export const logOf = (events: readonly StoredAuditEvent[]): AuditLog =>
  createMemoryLog({ modelwright: events.map(({ body }) => body), another: [Buffer.from("of no concern")] });

export function openingOf(kind: "person" | "text", value: string): Opening {
  const salt = createHash("sha256").update(`salt of ${value}`).digest();
  const hash = createHash("sha256").update(salt).update(value).digest("hex");
  return { ref: `${kind}/${kind === "person" ? hash.slice(0, 32) : hash}`, salt, value };
}

/** Who approved, and what was said: as this release keeps them. The others are names, as an earlier release wrote them. */
export const approver = openingOf("person", "grace");
const words = openingOf("text", "sound");

/** The rows beside those events. */
function explained(by: Opening): PredictionExplanation {
  const at = new Date("2026-01-02T00:00:00Z");
  const version = { model: "flights", lifecycle: "lc-1", round: 1, createdBy: "ada", createdAt: at };
  return {
    prediction: {
      inferenceId: "p-1",
      endpoint: "live",
      epoch: 4,
      arm: "champion",
      modelVersion: optimizedId,
      at,
      outcome: "ok",
      score: 0.25,
      decision: 0,
    },
    epoch: {
      endpoint: "live",
      epoch: 4,
      championVersion: optimizedId,
      canaryVersion: null,
      canaryShare: 0,
      rollout: null,
      createdBy: "ada",
    },
    version: {
      ...version,
      id: optimizedId,
      number: 2,
      artifact: hex("int8"),
      origin: "optimized",
      parentVersion: trainedId,
    },
    parentVersion: {
      ...version,
      id: trainedId,
      number: 1,
      artifact: hex("fp32"),
      origin: "trained",
      parentVersion: null,
    },
    evaluation: {
      id: evaluationId,
      modelVersion: optimizedId,
      modelDigest: hex("int8"),
      dataDigest: hex("evaluation"),
      reportDigest: hex(reportText),
      verdict: "pass",
    },
    gates,
    entitledBy: { id: "r-1", endpoint: "live", canaryVersion: optimizedId },
    approvals: [
      {
        id: approvalId,
        lifecycle: "lc-1",
        decision: "approve",
        decidedBy: by.ref,
        reason: words.ref,
        evidenceDigest: digestOf(evidence),
        evidence,
        statement: digestOf(statementOf(by)),
      },
    ],
    brokenGlass: [{ id: glassId, environment: "production", reason: words.ref, by: "root", statement: null }],
    proofs: [
      {
        digest: digestOf(statementOf(by)),
        statement: statementOf(by),
        signature: sign(null, canonicalBytes(statementOf(by)), tokenKey.privateKey).toString("base64url"),
        token: "0011223344556677",
        publicKey,
      },
    ],
    lifecycle: { id: "lc-1", model: "flights", specDigest: hex("spec"), startedBy: "ada", reason: "", causedBy: null },
    snapshots: [
      { digest: hex("training"), sourceDigest: hex(sourceText) },
      { digest: hex("somebody else's"), sourceDigest: null },
    ],
    trainingData: [hex("training")],
  } as unknown as PredictionExplanation;
}

export interface Signed {
  readonly directory: string;
  readonly keyPath: string;
  readonly publicKeyPath: string;
  readonly checkpointsPath: string;
  readonly bundle: EvidenceBundle;
}

/** A directory with keys, a file of checkpoints made while the log grew, and a bundle of the story. */
export async function signSample(events = storedEvents(), by = approver): Promise<Signed> {
  const directory = await mkdtemp(join(tmpdir(), "modelwright-evidence-"));
  const paths = {
    keyPath: join(directory, "audit.key"),
    publicKeyPath: join(directory, "audit.pub"),
    checkpointsPath: join(directory, "checkpoints.txt"),
  };
  const publicKey = formatPublicKey(await createNoteKey(paths.keyPath, "example.org/log"));
  await writeFile(paths.publicKeyPath, `${publicKey}\n`);
  const key = await loadPrivateKey(paths.keyPath);
  for (const size of [7, 16, events.length]) {
    const log = logOf(events.slice(0, size));
    await signLog(log, { path: paths.checkpointsPath, key, formerKeys: [], whole: false });
  }
  const subjects = subjectsOf(explained(by));
  const { anchors } = openAnchors(await loadNotes(paths.checkpointsPath), [key]);
  const proved = await proveBundle({
    log: logOf(events),
    explained: explained(by),
    events: events.filter(({ subject }) => subjects.includes(subject)),
    anchors: anchors.filter(({ stream }) => stream === "modelwright"),
    publicKey,
    openings: [by, words],
  });
  if ("problem" in proved) throw new Error(proved.problem.found);
  const { bundle } = proved;
  return { directory, ...paths, bundle };
}
