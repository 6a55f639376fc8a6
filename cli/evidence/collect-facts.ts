import type { PredictionExplanation, StoredAuditEvent } from "../../client/index.ts";
import type { EvidenceFacts } from "../../contracts/evidence.ts";

/** What an event is about: refs as audit events carry them. Together they tell the prediction's story. */
export function subjectsOf(explained: PredictionExplanation): string[] {
  const { epoch, version, parentVersion, evaluation, lifecycle, trainingData, entitledBy, proofs } = explained;
  return [
    `endpoint/${epoch.endpoint}`,
    `model/${version.model}@${version.number}`,
    ...[...new Set([epoch.rollout, entitledBy?.id])].flatMap((id) => (id ? [`rollout/${id}`] : [])),
    ...(parentVersion ? [`model/${parentVersion.model}@${parentVersion.number}`] : []),
    ...(evaluation ? [`evaluation/${evaluation.id}`] : []),
    ...(lifecycle ? [`lifecycle/${lifecycle.id}`] : []),
    ...(lifecycle?.causedBy ? [`retrain-decision/${lifecycle.causedBy}`] : []),
    ...trainingData.map((digest) => `artifact/${digest}`),
    ...new Set(proofs.map(({ token }) => `token/${token}`)),
  ];
}

/** An endpoint's events tell of all its epochs; the story has this one and the one that ended it. */
export function belongsToStory({ body, kind }: StoredAuditEvent, epoch: number): boolean {
  if (kind !== "routing-advanced") return true;
  const told = bodyOf(body)["epoch"];
  return told === epoch || told === epoch + 1;
}

/**
 * The story as the rows tell it, each fact with the number of the event that should say the same. Whether it does is the
 * verifier's to find out: a row that was changed behind the log's back must show, not be mended here.
 */
export function collectFacts(explained: PredictionExplanation, events: readonly StoredAuditEvent[]): EvidenceFacts {
  const { prediction, epoch, version, parentVersion, evaluation, gates, entitledBy } = explained;
  const seqOf = (subject: string, kind: string, values: Readonly<Record<string, unknown>> = {}): number | null => {
    const found = events.find((event) => {
      if (event.subject !== subject || event.kind !== kind) return false;
      const body = bodyOf(event.body);
      return Object.entries(values).every(([name, value]) => body[name] === value);
    });
    return found?.seq ?? null;
  };
  const versionFact = (one: typeof version) => {
    const name = `${one.model}@${one.number}`;
    return {
      event: seqOf(`model/${name}`, "version-registered"),
      name,
      versionId: one.id,
      digest: one.artifact,
      origin: one.origin,
      parentVersionId: one.parentVersion,
      lifecycle: one.lifecycle,
      by: one.createdBy,
    };
  };
  return {
    prediction: {
      inferenceId: prediction.inferenceId,
      at: prediction.at.toISOString(),
      endpoint: prediction.endpoint,
      epoch: prediction.epoch,
      arm: prediction.arm,
      versionId: prediction.modelVersion,
      outcome: prediction.outcome,
      score: prediction.score,
      decision: prediction.decision,
    },
    epoch: {
      event: seqOf(`endpoint/${epoch.endpoint}`, "routing-advanced", { epoch: epoch.epoch }),
      endpoint: epoch.endpoint,
      epoch: epoch.epoch,
      championVersionId: epoch.championVersion,
      canaryVersionId: epoch.canaryVersion,
      canaryShare: epoch.canaryShare,
      by: epoch.createdBy,
    },
    version: versionFact(version),
    parent: parentVersion && versionFact(parentVersion),
    evaluation: evaluation && {
      event: seqOf(`evaluation/${evaluation.id}`, "evaluation-recorded"),
      evaluationId: evaluation.id,
      versionId: evaluation.modelVersion,
      modelDigest: evaluation.modelDigest,
      dataDigest: evaluation.dataDigest,
      reportDigest: evaluation.reportDigest,
      verdict: evaluation.verdict,
      gates: gates.map(({ metric, verdict, reason }) => ({ metric, verdict, reason })),
    },
    rollout: entitledBy && {
      event: seqOf(`rollout/${entitledBy.id}`, "rollout-started"),
      rolloutId: entitledBy.id,
      endpoint: entitledBy.endpoint,
      canaryVersionId: entitledBy.canaryVersion,
    },
    ...collectDecisions(explained, seqOf),
    lifecycle: lifecycleFact(explained, seqOf),
    trainingData: explained.snapshots
      .filter(({ digest }) => explained.trainingData.includes(digest))
      .map(({ digest, sourceDigest }) => ({
        event: seqOf(`artifact/${digest}`, "snapshot-recorded", { sourceDigest }),
        digest,
        sourceDigest,
      })),
  };
}

type SeqOf = (subject: string, kind: string, values?: Readonly<Record<string, unknown>>) => number | null;

/** What people decided, and the glass they broke, each with what they signed. */
function collectDecisions(
  { version, approvals, brokenGlass, proofs }: PredictionExplanation,
  seqOf: SeqOf,
): Pick<EvidenceFacts, "approvals" | "brokenGlass"> {
  const subject = `model/${version.model}@${version.number}`;
  const proofOf = (digest: string | null) => {
    const found = proofs.find((one) => one.digest === digest);
    if (!found) return null;
    const { statement, signature, token, publicKey } = found;
    return { event: seqOf(`token/${token}`, "token-issued"), statement, signature, token, publicKey };
  };
  return {
    approvals: approvals.map(({ id, decision, reason, evidenceDigest, evidence, decidedBy, lifecycle, statement }) => ({
      event: evidence
        ? seqOf(subject, "approval-decided", { approvalId: id })
        : seqOf(`lifecycle/${lifecycle}`, "approval-decided", { decision, evidenceDigest }),
      approvalId: id,
      decision,
      reason,
      evidenceDigest,
      by: decidedBy,
      evidence,
      proof: proofOf(statement),
    })),
    brokenGlass: brokenGlass.map(({ id, environment, reason, by, statement }) => ({
      event: seqOf(subject, "glass-broken", { glassId: id }),
      glassId: id,
      environment,
      reason,
      by,
      proof: proofOf(statement),
    })),
  };
}

function lifecycleFact(
  { lifecycle }: PredictionExplanation,
  seqOf: (subject: string, kind: string) => number | null,
): EvidenceFacts["lifecycle"] {
  if (!lifecycle) return null;
  const { id, model, specDigest, reason, causedBy, startedBy } = lifecycle;
  const event = seqOf(`lifecycle/${id}`, "lifecycle-started");
  return { event, lifecycleId: id, model, specDigest, reason, causedBy, by: startedBy };
}

function bodyOf(stored: Uint8Array): Readonly<Record<string, unknown>> {
  const event = JSON.parse(new TextDecoder().decode(stored)) as { body: Record<string, unknown> };
  return event.body;
}
