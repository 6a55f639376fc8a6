import { formatNumber } from "../adapters/reports/numbers.ts";
import type { PredictionExplanation } from "../client/index.ts";
import { formatBasisPoints } from "../client/text.ts";
import type { LineageEdge, LineageGraph, UsedEdge } from "../contracts/lineage.ts";

const versionOf = ({ version: { model, number } }: PredictionExplanation) => `model/${model}@${number}`;

const epochOf = ({ epoch: { endpoint, epoch } }: PredictionExplanation) => `routing-epoch/${endpoint}/${epoch}`;

/**
 * The things a prediction stands on: the version that answered, the epoch where somebody set it by hand, the version's evaluation and
 * what was decided about it.
 */
export function groundsOf(explanation: PredictionExplanation): string[] {
  const { evaluation, approvals } = explanation;
  return [
    versionOf(explanation),
    epochOf(explanation),
    ...(evaluation ? [`evaluation/${evaluation.id}`] : []),
    ...approvals.map(({ id }) => `approval/${id}`),
  ];
}

/**
 * A prediction's lineage: how it was routed, and all that lies upstream of its grounds (`behind`). Predictions are no executions on
 * record, and routing epochs only those that somebody set by hand, so they are put on top here.
 */
export function predictionGraph(explanation: PredictionExplanation, behind: LineageGraph): LineageGraph {
  const { prediction, epoch, evaluation, approvals } = explanation;
  const answered = `prediction/${prediction.inferenceId}`;
  const routed = epochOf(explanation);
  const makerOf = (ref: string) => behind.generated.find((edge) => edge.ref === ref)?.execution ?? null;
  const byHand = makerOf(routed);
  const route = byHand ?? "route";
  const ground = (ref: string, role: string): UsedEdge => ({ execution: route, ref, role, madeBy: makerOf(ref) });
  const grounds = [
    ground(versionOf(explanation), "version"),
    ...(evaluation ? [ground(`evaluation/${evaluation.id}`, "evidence")] : []),
    ...approvals.map(({ id, decision }) => ground(`approval/${id}`, decision === "approve" ? "approval" : "rejection")),
  ].filter(({ ref }) => !behind.used.some((edge) => edge.execution === route && edge.ref === ref));
  const used: UsedEdge[] = [{ execution: "answer", ref: routed, role: prediction.arm, madeBy: route }, ...grounds];
  const generated: LineageEdge[] = [
    { execution: "answer", ref: answered, role: "prediction" },
    ...(byHand === null ? [{ execution: route, ref: routed, role: "routing-epoch" }] : []),
  ];
  const shares = `${formatBasisPoints(epoch.championShare)} champion, ${formatBasisPoints(epoch.canaryShare)} canary`;
  const nodes = [
    { ref: answered, label: describePrediction(explanation) },
    { ref: routed, label: shares },
    ...behind.nodes.filter(({ ref }) => ref !== routed),
  ];
  const told = { kind: "route", label: epoch.reason, at: epoch.createdAt.toISOString() };
  const others = behind.executions.filter(({ id }) => id !== byHand);
  return {
    ...behind,
    roots: [answered],
    nodes,
    executions: [
      { id: "answer", kind: "answer", label: "", at: prediction.at.toISOString() },
      { ...told, ...behind.executions.find(({ id }) => id === byHand), id: route, label: told.label },
      ...others,
    ],
    used: [...used, ...behind.used],
    generated: [...generated, ...behind.generated],
    labelledCount: behind.labelledCount + 2,
    nodeCount: nodes.length,
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
