import { formatNumber } from "../adapters/reports/numbers.ts";
import type { PredictionExplanation } from "../client/index.ts";
import { formatBasisPoints } from "../client/text.ts";
import type { LineageEdge, LineageGraph, UsedEdge } from "../contracts/lineage.ts";

const versionOf = ({ version: { model, number } }: PredictionExplanation) => `model/${model}@${number}`;

/** The things a prediction stands on: the version that answered, its evaluation and what was decided about it. */
export function groundsOf(explanation: PredictionExplanation): string[] {
  const { evaluation, approvals } = explanation;
  return [
    versionOf(explanation),
    ...(evaluation ? [`evaluation/${evaluation.id}`] : []),
    ...approvals.map(({ id }) => `approval/${id}`),
  ];
}

/**
 * A prediction's lineage: how it was routed, and all that lies upstream of its grounds (`behind`). Predictions and routing epochs are no
 * executions on record, so they are put on top here.
 */
export function predictionGraph(explanation: PredictionExplanation, behind: LineageGraph): LineageGraph {
  const { prediction, epoch, evaluation, approvals } = explanation;
  const answered = `prediction/${prediction.inferenceId}`;
  const routed = `routing-epoch/${epoch.endpoint}/${epoch.epoch}`;
  const shares = `${formatBasisPoints(epoch.championShare)} champion, ${formatBasisPoints(epoch.canaryShare)} canary`;
  const executions = [
    { id: "answer", kind: "answer", label: "", at: prediction.at.toISOString() },
    { id: "route", kind: "route", label: epoch.reason, at: epoch.createdAt.toISOString() },
  ];
  const makerOf = (ref: string) => behind.generated.find((edge) => edge.ref === ref)?.execution ?? null;
  const ground = (ref: string, role: string): UsedEdge => ({ execution: "route", ref, role, madeBy: makerOf(ref) });
  const used: UsedEdge[] = [
    { execution: "answer", ref: routed, role: prediction.arm, madeBy: "route" },
    ground(versionOf(explanation), "version"),
    ...(evaluation ? [ground(`evaluation/${evaluation.id}`, "evidence")] : []),
    ...approvals.map(({ id, decision }) => ground(`approval/${id}`, decision === "approve" ? "approval" : "rejection")),
  ];
  const generated: LineageEdge[] = [
    { execution: "answer", ref: answered, role: "prediction" },
    { execution: "route", ref: routed, role: "routing-epoch" },
  ];
  return {
    ...behind,
    roots: [answered],
    nodes: [{ ref: answered, label: describePrediction(explanation) }, { ref: routed, label: shares }, ...behind.nodes],
    executions: [...executions, ...behind.executions],
    used: [...used, ...behind.used],
    generated: [...generated, ...behind.generated],
    nodeCount: behind.nodeCount + 2,
    edgeCount: behind.edgeCount + used.length + generated.length,
  };
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
