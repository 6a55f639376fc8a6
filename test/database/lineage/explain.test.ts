import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { createId } from "../../../db/identifiers.ts";
import { advanceEpoch } from "../../../db/queries/advance-epoch.ts";
import { recordSnapshot } from "../../../db/queries/artifact.ts";
import { recordEvaluation } from "../../../db/queries/evaluation.ts";
import { explainPrediction } from "../../../db/queries/explain.ts";
import { recordFeedback } from "../../../db/queries/feedback.ts";
import { startStageRun } from "../../../db/queries/stage-run.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import {
  addApproval,
  addArtifact,
  addEndpoint,
  addLifecycle,
  digest,
  execute,
  facts,
  insertVersion,
  reportFor,
  signature,
  type Parts,
} from "../sample.ts";
import { insertPredictions } from "../../support/predictions.ts";

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(async () => {
  await test.close();
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
        insertVersion(tx, {
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
      const make = (used: Parts, generated: Parts) => execute(tx, { lifecycle, used, generated });
      await make({ "source/flights.parquet#1": "source" }, { [`artifact/${data}`]: "training-data" });
      await make({ [`artifact/${data}`]: "training-data" }, { [`artifact/${trained.artifact}`]: "bytes" });
      await make({ [`artifact/${trained.artifact}`]: "bytes" }, { "model/flights@1": "version" });
      await make(
        { "model/flights@1": "version", [`artifact/${evaluationData}`]: "calibration-data" },
        { [`artifact/${optimized.artifact}`]: "bytes" },
      );
      await make(
        { [`artifact/${optimized.artifact}`]: "bytes", "model/flights@1": "parent" },
        { "model/flights@2": "version" },
      );
      const approval = await addApproval(tx, { versionId: optimized.id, environment: "production" }, "grace");
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
      approvals: [chain.approval],
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
      trainingData: [chain.data],
    });
    expect(await explainPrediction(database, createId())).toBeNull();
  });
});
