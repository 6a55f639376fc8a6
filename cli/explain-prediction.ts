import type { PredictionExplanation } from "../client/index.ts";
import { formatBasisPoints, formatCount } from "../client/text.ts";
import { describeBrokenGlass } from "./broken-glass.ts";
import { instantText } from "./instant-text.ts";
import { describePrediction } from "./prediction-graph.ts";

/** The chain behind one prediction in sentences with who and when, one paragraph a link of the chain. */
export function explainPrediction(explanation: PredictionExplanation): string[] {
  const chain = [answered, routed, made, evaluated].map((tell) => tell(explanation));
  return [...chain, ...approved(explanation), ...data(explanation)];
}

const named = ({ model, number }: { readonly model: string; readonly number: number }) => `model/${model}@${number}`;

function answered(explanation: PredictionExplanation): string {
  const { prediction, environment } = explanation;
  return `Endpoint ${prediction.endpoint} (${environment}) answered on ${instantText(prediction.at)}: ${describePrediction(explanation)}.`;
}

function routed({ prediction, epoch, version }: PredictionExplanation): string {
  const shares =
    epoch.canaryShare === 0
      ? "all traffic to the champion"
      : `${formatBasisPoints(epoch.canaryShare)} of the traffic to the canary and the rest to the champion`;
  return `Routing epoch ${epoch.epoch}, set by ${epoch.createdBy} on ${instantText(epoch.createdAt)} ("${epoch.reason}"), sent ${shares}; this request went to the ${prediction.arm}, ${named(version)}.`;
}

function made({ version, parentVersion, lifecycle }: PredictionExplanation): string {
  const from = parentVersion ? ` from ${named(parentVersion)}` : "";
  const by = lifecycle
    ? ` in lifecycle/${lifecycle.id}, started by ${lifecycle.startedBy} on ${instantText(lifecycle.startedAt)}${lifecycle.causedBy === null ? "" : " because of drift"}`
    : " by hand, outside any lifecycle";
  return `${named(version)} was ${version.origin}${from} by ${version.createdBy} on ${instantText(version.createdAt)}${by}; its bytes are artifact/${version.artifact}.`;
}

function evaluated({ evaluation, gates, environment }: PredictionExplanation): string {
  if (!evaluation) {
    return `No passing evaluation is on record for this routing epoch: a canary may still be on probation, and environment ${environment} may ask for none.`;
  }
  const reasons = gates.map(({ reason }) => reason).join("; ");
  return `Exactly these bytes had the verdict ${evaluation.verdict} in evaluation/${evaluation.id} on ${instantText(evaluation.createdAt)}, on ${formatCount(evaluation.rowCount)} rows of artifact/${evaluation.dataDigest}: ${reasons}.`;
}

function approved({ approvals, brokenGlass, lifecycle, proofs }: PredictionExplanation): string[] {
  const broken = brokenGlass.map((one) => `${describeBrokenGlass(one)}${describeRevoked(proofs, one.statement)}.`);
  if (approvals.length > 0) return [...approvals.map((one) => decided(one, proofs)), ...broken];
  const nobody = lifecycle
    ? "Nobody had approved it: no approval was asked for, or the glass was broken."
    : "Nobody approved it in a lifecycle.";
  return [nobody, ...broken];
}

type Proofs = PredictionExplanation["proofs"];

function decided(
  { decision, decidedBy, decidedAt, reason, startedBy, statement }: PredictionExplanation["approvals"][number],
  proofs: Proofs,
): string {
  const verb = decision === "approve" ? "approved" : "rejected";
  const sure = statement === null ? "by word" : `signed, statement ${statement}${describeRevoked(proofs, statement)}`;
  return `${decidedBy} ${verb} it on ${instantText(decidedAt)} ("${reason}", ${sure}); ${startedBy} had made it.`;
}

/** What was signed while the token was good stays signed; what became of the token since is told beside it. */
function describeRevoked(proofs: Proofs, statement: string | null): string {
  const revoked = proofs.find(({ digest }) => digest === statement)?.revoked;
  if (!revoked) return "";
  const how = revoked.compromised ? "revoked as compromised" : "revoked";
  return `, whose token was ${how} on ${instantText(revoked.at)} ("${revoked.reason}")`;
}

function data({ snapshots, trainingData, evaluation }: PredictionExplanation): string[] {
  const [own, other] = [true, false].map((wanted) =>
    snapshots.filter(({ digest }) => trainingData.includes(digest) === wanted),
  );
  const sentences = (own ?? []).map((snapshot) => `It was trained on ${describe(snapshot)}.`);
  for (const snapshot of other ?? []) {
    const judged = snapshot.digest === evaluation?.dataDigest;
    const part = judged
      ? "It was evaluated on"
      : `Upstream only (${snapshot.roles.join(", ")} of something else in its history):`;
    sentences.push(`${part} ${describe(snapshot)}.`);
  }
  return own?.length ? sentences : ["What it was trained on is not recorded here.", ...sentences];
}

function describe({
  digest,
  rowCount,
  window,
  sourcePath,
  sourceDigest,
}: PredictionExplanation["snapshots"][number]): string {
  const span = window ? ` from ${window.from} up to ${window.to}` : "";
  const source = `${sourcePath}${sourceDigest === null ? "" : ` (SHA-256 ${sourceDigest})`}`;
  return `artifact/${digest}, ${formatCount(rowCount)} rows${span}, cut from ${source}`;
}
