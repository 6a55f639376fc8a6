import { formatNumber } from "../adapters/reports/numbers.ts";
import type { PredictionExplanation } from "../client/index.ts";
import { fitText, formatBasisPoints, formatCount } from "../client/text.ts";
import type { ExplainedPrediction } from "./load-prediction.ts";
import type { LineageEdge, LineageGraph, LineageNode } from "../core/lineage/graph.ts";

/** A tree is for the overview; `explain` has the reasons whole. */
const LONGEST_LABEL = 90;

/**
 * What stands behind one prediction as a lineage graph: prediction, routing epoch, version, evaluation, approval, training data
 * and source, so that it is drawn like any other lineage.
 */
export function predictionGraph({ explanation, trainingData }: ExplainedPrediction): {
  readonly root: string;
  readonly graph: LineageGraph;
} {
  const { prediction, epoch, version, parentVersion, evaluation, approval, lifecycle, snapshots } = explanation;
  const nodes: LineageNode[] = [];
  const edges: LineageEdge[] = [];
  const add = (ref: string, label: string, at: Date | null) => {
    nodes.push({ ref, kind: ref.slice(0, ref.indexOf("/")), label, at: at?.toISOString() ?? null });
    return ref;
  };
  const link = (from: string, to: string, role: string) => edges.push({ from, to, role });

  const root = add(`prediction/${prediction.inferenceId}`, describePrediction(explanation), prediction.at);
  const shares = `${formatBasisPoints(epoch.championShare)} champion, ${formatBasisPoints(epoch.canaryShare)} canary`;
  const routed = add(
    `routing-epoch/${epoch.endpoint}/${epoch.epoch}`,
    fitText(`${shares}, by ${epoch.createdBy}: ${epoch.reason}`, LONGEST_LABEL),
    epoch.createdAt,
  );
  link(routed, root, `routed to the ${prediction.arm}`);
  const served = add(
    `model/${version.model}@${version.number}`,
    `${version.origin} by ${version.createdBy}`,
    version.createdAt,
  );
  link(served, routed, "version");
  link(add(`artifact/${version.artifact}`, "the model's bytes", null), served, "bytes");
  if (parentVersion) {
    const label = `${parentVersion.origin} by ${parentVersion.createdBy}`;
    link(
      add(`model/${parentVersion.model}@${parentVersion.number}`, label, parentVersion.createdAt),
      served,
      "made from",
    );
  }
  if (evaluation) {
    const gates = explanation.gates.map(({ metric, verdict }) => `${metric} ${verdict}`).join(", ");
    const label = `${evaluation.verdict} on ${formatCount(evaluation.rowCount)} rows: ${gates}`;
    link(add(`evaluation/${evaluation.id}`, label, evaluation.createdAt), served, "evidence");
  }
  if (approval) {
    const label = `${approval.decidedBy}: ${approval.reason}`;
    link(add(`approval/${approval.id}`, label, approval.decidedAt), served, "approved by");
  }
  if (lifecycle) {
    const label = `started by ${lifecycle.startedBy}${lifecycle.causedBy === null ? "" : ", caused by drift"}`;
    link(add(`lifecycle/${lifecycle.id}`, label, lifecycle.startedAt), served, "made by");
  }
  const trainedOn = parentVersion ? `model/${parentVersion.model}@${parentVersion.number}` : served;
  for (const snapshot of snapshots) {
    const window = snapshot.window ? `, ${snapshot.window.from} to ${snapshot.window.to}` : "";
    const data = add(`artifact/${snapshot.digest}`, `${formatCount(snapshot.rowCount)} rows${window}`, null);
    if (snapshot.digest === evaluation?.dataDigest) link(data, `evaluation/${evaluation.id}`, "evaluation data");
    if (trainingData.includes(snapshot.digest)) link(data, trainedOn, "training data");
    else if (snapshot.digest !== evaluation?.dataDigest)
      link(data, served, `upstream only, as ${snapshot.roles.join(", ")}`);
    const source = `source/${snapshot.sourcePath}`;
    if (!nodes.some(({ ref }) => ref === source)) add(source, snapshot.sourceDigest ?? "", null);
    link(source, data, "cut from");
  }
  return { root, graph: { nodes, edges, truncated: false } };
}

/** `score 0.7312, decision 1, in 3.1 ms, came true as 1`. */
export function describePrediction({ prediction, label }: PredictionExplanation): string {
  const { outcome, score, decision, latencyMs } = prediction;
  const answer =
    outcome === "error"
      ? "an error"
      : `score ${score === null ? "unknown" : formatNumber(score)}, decision ${decision ?? "unknown"}`;
  const truth = label === null ? "outcome not known yet" : `came true as ${label}`;
  return `${answer}, in ${Number(latencyMs.toPrecision(2))} ms, ${truth}`;
}
