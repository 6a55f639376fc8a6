import { expect, it } from "vitest";
import { groundsOf, predictionGraph } from "../../../cli/prediction-graph.ts";
import type { PredictionExplanation } from "../../../client/index.ts";
import { graphOf } from "../lineage/sample-graph.ts";

const at = new Date("2026-01-02T00:00:00Z");
// As much of one as a graph is drawn from.
const explanation = {
  prediction: { inferenceId: "p", arm: "champion", at, outcome: "ok", score: 0.5, decision: 1, latencyMs: 1 },
  label: null,
  epoch: {
    endpoint: "e",
    epoch: 7,
    championShare: 10_000,
    canaryShare: 0,
    reason: "rollback by grace: wrong",
    createdAt: at,
  },
  version: { model: "m", number: 1 },
  evaluation: { id: "v" },
  approvals: [],
} as unknown as PredictionExplanation;

const register = ["register", { "artifact/bytes": "bytes" }, { "model/m@1": "version" }] as const;
const rollback = ["rollback", { "model/m@1": "champion" }, { "routing-epoch/e/7": "routing-epoch" }] as const;
const routes = ({ executions, generated, used }: ReturnType<typeof predictionGraph>) => ({
  told: executions.filter(({ label }) => label === "rollback by grace: wrong").map(({ kind }) => kind),
  epochs: generated.filter(({ ref }) => ref.startsWith("routing-epoch/")).length,
  versions: used.filter(({ ref }) => ref === "model/m@1").length,
});

it("a prediction's graph asks for its epoch, and tells of whoever set it by hand once, with the version and the evaluation as its grounds", () => {
  expect(groundsOf(explanation)).toContain("routing-epoch/e/7");
  const behind = graphOf("upstream", ["model/m@1", "routing-epoch/e/7"], {}, register, rollback);
  const graph = predictionGraph(explanation, behind);
  expect(routes(graph)).toEqual({ told: ["rollback"], epochs: 1, versions: 1 });
  expect(graph.nodeCount).toBe(new Set(graph.nodes.map(({ ref }) => ref)).size);
  const by = graph.generated.find(({ ref }) => ref === "routing-epoch/e/7")?.execution;
  expect(graph.used).toContainEqual(expect.objectContaining({ ref: "evaluation/v", execution: by }));
  expect(graph.used).toContainEqual(expect.objectContaining({ execution: "answer", madeBy: by }));
});

it("a prediction's graph has a route of its own where a rollout set the epoch", () => {
  const graph = predictionGraph(explanation, graphOf("upstream", ["model/m@1"], {}, register));
  expect(routes(graph)).toEqual({ told: ["route"], epochs: 1, versions: 1 });
});
