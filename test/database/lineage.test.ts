import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { createId } from "../../db/identifiers.ts";
import { advanceEpoch } from "../../db/queries/advance-epoch.ts";
import { recordApproval } from "../../db/queries/approval.ts";
import { recordSnapshot } from "../../db/queries/artifact.ts";
import { recordEvaluation } from "../../db/queries/evaluation.ts";
import { explainPrediction } from "../../db/queries/explain.ts";
import { recordFeedback } from "../../db/queries/feedback.ts";
import { loadGraph, recordEdges } from "../../db/queries/lineage.ts";
import { registerVersion } from "../../db/queries/model.ts";
import { insertPredictions } from "../../db/queries/prediction.ts";
import { startStageRun } from "../../db/queries/stage-run.ts";
import { audited } from "../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { addArtifact, addEndpoint, addLifecycle, digest, facts, reportFor, signature } from "./sample.ts";

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(async () => {
  await test.close();
});

const connect = (...pairs: [string, string][]) =>
  audited(test.database).transaction((tx) =>
    recordEdges(
      tx,
      pairs.map(([from, to]) => ({ from, to, role: "used", lifecycle: null })),
    ),
  );

describe("the lineage graph", () => {
  it("is walked upstream and downstream, each ref once however many paths lead to it", async () => {
    await connect(["a/1", "b/1"], ["a/1", "b/2"], ["b/1", "c/1"], ["b/2", "c/1"], ["c/1", "d/1"], ["x/1", "y/1"]);
    const upstream = await loadGraph(test.database, { ref: "c/1", direction: "upstream" });
    expect([...upstream.refs].sort()).toEqual(["a/1", "b/1", "b/2", "c/1"]);
    expect(upstream.refs[0]).toBe("c/1");
    expect(upstream.edges.map(({ from, to }) => `${from} ${to}`)).toHaveLength(4);
    expect(upstream.complete).toBe(true);
    const downstream = await loadGraph(test.database, { ref: "b/1", direction: "downstream" });
    expect([...downstream.refs].sort()).toEqual(["b/1", "c/1", "d/1"]);
  });

  it("keeps an edge that is recorded again as it was", async () => {
    const before = await loadGraph(test.database, { ref: "b/1", direction: "upstream" });
    await connect(["a/1", "b/1"]);
    expect(await loadGraph(test.database, { ref: "b/1", direction: "upstream" })).toEqual(before);
  });

  it("ends where a circle closes", async () => {
    await connect(["loop/1", "loop/2"], ["loop/2", "loop/3"], ["loop/3", "loop/1"]);
    const graph = await loadGraph(test.database, { ref: "loop/1", direction: "upstream" });
    expect([...graph.refs].sort()).toEqual(["loop/1", "loop/2", "loop/3"]);
  });

  it("says when the limit cut it", async () => {
    await connect(...Array.from({ length: 50 }, (_, index): [string, string] => [`wide/${index}`, "wide/end"]));
    const cut = await loadGraph(test.database, { ref: "wide/end", direction: "upstream", limit: 10 });
    expect(cut).toMatchObject({ complete: false });
    expect(cut.refs).toHaveLength(10);
    const whole = await loadGraph(test.database, { ref: "wide/end", direction: "upstream", limit: 51 });
    expect(whole).toMatchObject({ complete: true });
  });

  it("of a ref without edges is the ref alone", async () => {
    const graph = await loadGraph(test.database, { ref: "nobody/1", direction: "downstream" });
    expect(graph).toEqual({ refs: ["nobody/1"], edges: [], complete: true });
  });
});

describe("explaining a prediction", () => {
  it("gives the whole chain from the prediction to the source of the training data", async () => {
    const { database } = test;
    await addLifecycle(database, "lc-1", "flights", "ada");
    const chain = await audited(database).transaction(async (tx) => {
      const data = await addArtifact(tx, "training rows");
      await recordSnapshot(tx, {
        digest: data,
        description: { columns: [], rowCount: 900, window: null, timeRange: null },
        sourcePath: "flights.parquet",
        sourceDigest: digest("source"),
        selectExpressions: { late: "delay > 15" },
        window: { from: "2001-01-01", to: "2001-04-01" },
      });
      const version = async (name: "trained" | "optimized", parentVersion: string | null) =>
        registerVersion(tx, {
          model: "flights",
          artifact: await addArtifact(tx, name),
          signature,
          origin: name,
          parentVersion,
          facts,
          createdBy: "ada",
          key: { lifecycle: "lc-1", round: 1, name },
        });
      const trained = await version("trained", null);
      const optimized = await version("optimized", trained.id);
      const stage = await startStageRun(tx, { lifecycle: "lc-1", stage: "evaluate", round: 1 });
      const evaluationData = await addArtifact(tx, "evaluation rows");
      const evaluation = await recordEvaluation(tx, {
        stageRun: stage.id,
        modelVersion: optimized.id,
        championVersion: null,
        reportDigest: null,
        report: reportFor(optimized, evaluationData),
      });
      const lifecycle = "lc-1";
      await recordEdges(tx, [
        { from: `artifact/${data}`, to: `artifact/${trained.artifact}`, role: "training-data", lifecycle },
        { from: `artifact/${trained.artifact}`, to: "model/flights@1", role: "bytes", lifecycle },
        { from: "model/flights@1", to: "model/flights@2", role: "optimized-from", lifecycle },
        { from: "model/flights@2", to: `evaluation/${evaluation.id}`, role: "evaluated", lifecycle },
        { from: `artifact/${evaluationData}`, to: `evaluation/${evaluation.id}`, role: "evaluation-data", lifecycle },
      ]);
      const approval = await recordApproval(tx, {
        lifecycle,
        round: 1,
        decision: "approve",
        decidedBy: "grace",
        reason: "read the report",
        evidenceDigest: digest("report"),
      });
      return { data, trained, optimized, evaluation, approval };
    });
    await addEndpoint(database, "live", "flights", "production");
    await audited(database).transaction((tx) =>
      advanceEpoch(tx, {
        endpoint: "live",
        expectedEpoch: 0,
        championVersion: chain.optimized.id,
        canaryVersion: null,
        canaryShare: 0,
        salt: "s",
        rollout: null,
        reason: "first",
        createdBy: "ada",
        leaseMs: 1000,
      }),
    );
    const prediction = {
      inferenceId: createId(),
      endpoint: "live",
      epoch: 1,
      arm: "champion",
      assigned: true,
      modelVersion: chain.optimized.id,
      routingKeyHash: null,
      at: new Date(),
      latencyMs: 1,
      outcome: "ok",
      score: 0.7,
      decision: 1,
      features: null,
    } as const;
    await insertPredictions(database, [prediction]);
    await audited(database).transaction((tx) =>
      recordFeedback(tx, [{ inferenceId: prediction.inferenceId, label: 0, at: null }]),
    );

    expect(await explainPrediction(database, prediction.inferenceId)).toMatchObject({
      prediction,
      label: 0,
      environment: "production",
      epoch: { endpoint: "live", epoch: 1, reason: "first", championShare: 10_000 },
      version: { id: chain.optimized.id, number: 2, artifact: digest("optimized") },
      parentVersion: { id: chain.trained.id, number: 1 },
      evaluation: { id: chain.evaluation.id, verdict: "pass" },
      gates: [{ metric: "roc-auc", verdict: "pass", reason: "0.68 is at least 0.6" }],
      lifecycle: { id: "lc-1", startedBy: expect.stringMatching(/^person\/[0-9a-f]{32}$/), causedBy: null },
      approval: chain.approval,
      snapshots: [
        {
          digest: chain.data,
          roles: ["training-data"],
          rowCount: 900,
          window: { from: "2001-01-01", to: "2001-04-01" },
          sourcePath: "flights.parquet",
          sourceDigest: digest("source"),
        },
      ],
    });
    expect(await explainPrediction(database, createId())).toBeNull();
  });
});
