import { randomUUID } from "node:crypto";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { createId, timeOfId } from "../../db/identifiers.ts";
import { advanceEpoch } from "../../db/queries/advance-epoch.ts";
import { countEpochs } from "../../db/queries/epoch-counts.ts";
import { recordFeedback, type FeedbackItem } from "../../db/queries/feedback.ts";
import type { ModelVersion } from "../../db/queries/model.ts";
import {
  ensurePredictionPartitions,
  findPrediction,
  latencyQuantile,
  scoreDeciles,
  type Prediction,
} from "../../db/queries/prediction.ts";
import { startRollout } from "../../db/queries/rollout.ts";
import { audited } from "../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { openCanary } from "./open-canary.ts";
import { addEndpoint, addVersion, plan } from "./sample.ts";
import { insertPredictions } from "../support/predictions.ts";

let test: TestDatabase;
let champion: ModelVersion;
let canary: ModelVersion;

beforeAll(async () => {
  test = await createTestDatabase();
  champion = await addVersion(test.database, "flights", "champion");
  canary = await addVersion(test.database, "flights", "canary");
  await addEndpoint(test.database, "live", "flights", "staging");
});
afterAll(async () => {
  await test.close();
});

const predicted = (values: Partial<Prediction> = {}): Prediction => ({
  inferenceId: createId(),
  endpoint: "live",
  epoch: 1,
  arm: "champion",
  assigned: true,
  modelVersion: champion.id,
  routingKeyHash: null,
  at: new Date(),
  latencyMs: 2,
  outcome: "ok",
  score: 0.25,
  decision: 0,
  features: null,
  requestRow: null,
  ...values,
});

const label = (items: FeedbackItem[]) => audited(test.database).transaction((tx) => recordFeedback(tx, items));

describe("the prediction log", () => {
  it("takes a batch once, however often it is sent", async () => {
    const batch = [
      predicted({ features: { distance: 12.5 } }),
      predicted({ outcome: "error", score: null, decision: null }),
    ];
    expect(await insertPredictions(test.database, batch)).toBe(2);
    expect(await insertPredictions(test.database, batch)).toBe(0);
    expect(await insertPredictions(test.database, [])).toBe(0);
    for (const row of batch) expect(await findPrediction(test.database, row.inferenceId)).toEqual(row);
  });

  it("finds rows by ids with a row's suffix and by ids that tell no time", async () => {
    const rows = [predicted({ inferenceId: `${createId()}/1` }), predicted({ inferenceId: `foreign ${randomUUID()}` })];
    await insertPredictions(test.database, rows);
    for (const row of rows) expect(await findPrediction(test.database, row.inferenceId)).toEqual(row);
    expect(await findPrediction(test.database, createId())).toBeNull();
  });

  it("looks an id up in the indices of its own days and no other", async () => {
    const id = createId();
    const made = timeOfId(id)?.toISOString();
    const { rows } = await test.admin.query<{ "QUERY PLAN": string }>(
      `EXPLAIN SELECT * FROM prediction WHERE inference_id = '${id}'
       AND at BETWEEN '${made}'::timestamptz - interval '1 day' AND '${made}'::timestamptz + interval '1 day'`,
    );
    const plan_ = rows.map((row) => row["QUERY PLAN"]).join("\n");
    const days = [...plan_.matchAll(/Index Scan using prediction_(\d{8})_pkey/g)];
    expect(days).toHaveLength(3);
    expect(plan_).not.toContain("Seq Scan");
  });

  it("puts a row into the partition of its UTC day, and a day without one into the default", async () => {
    const [today, old] = [predicted(), predicted({ at: new Date("2001-05-01T00:00:00Z"), inferenceId: "old" })];
    await insertPredictions(test.database, [today, old]);
    const { rows } = await test.admin.query<{ id: string; partition: string }>(
      "SELECT inference_id AS id, tableoid::regclass::text AS partition FROM prediction WHERE inference_id = ANY($1)",
      [[today.inferenceId, old.inferenceId]],
    );
    const day = today.at.toISOString().slice(0, 10).replaceAll("-", "");
    expect(Object.fromEntries(rows.map(({ id, partition }) => [id, partition]))).toEqual({
      [today.inferenceId]: `prediction_${day}`,
      old: "prediction_other_days",
    });
    expect(await findPrediction(test.database, "old")).toEqual(old);
  });

  it("gets its coming days from anybody, once, and days whose rows came early keep them", async () => {
    const inTenDays = new Date(Date.now() + 10 * 24 * 3600 * 1000);
    const early = predicted({ at: inTenDays, inferenceId: "early" });
    await insertPredictions(test.database, [early]);
    const ensure = () => audited(test.database).transaction((tx) => ensurePredictionPartitions(tx, { aheadDays: 12 }));
    const made = await Promise.all([ensure(), ensure(), ensure()]);
    // Days 8 to 12 were missing; day 10 has a row in the default partition already.
    expect(made.sort((a, b) => a - b)).toEqual([0, 0, 4]);
    expect(await findPrediction(test.database, "early")).toEqual(early);
    await expect(
      audited(test.database).transaction((tx) => ensurePredictionPartitions(tx, { aheadDays: 1000 })),
    ).rejects.toMatchObject({ cause: { code: "22023" } });
  });
});

describe("feedback", () => {
  it("keeps the first label of a prediction and notes every contradiction beside it", async () => {
    const id = createId();
    expect(await label([{ inferenceId: id, label: 1, at: null }])).toEqual({ recorded: 1, conflicting: 0 });
    expect(await label([{ inferenceId: id, label: 1, at: null }])).toEqual({ recorded: 0, conflicting: 0 });
    expect(await label([{ inferenceId: id, label: 0, at: null }])).toEqual({ recorded: 0, conflicting: 1 });
    const { rows } = await test.admin.query("SELECT label FROM feedback WHERE inference_id = $1", [id]);
    expect(rows).toEqual([{ label: 1 }]);
  });

  it("lets the earlier item of a batch win, and one of several writers at once", async () => {
    const id = createId();
    const both = [
      { inferenceId: id, label: 0, at: new Date(0) },
      { inferenceId: id, label: 1, at: null },
    ] as const;
    expect(await label([...both])).toEqual({ recorded: 1, conflicting: 1 });
    const raced = createId();
    const ends = await Promise.all(
      ([0, 1, 0, 1] as const).map((value) => label([{ inferenceId: raced, label: value, at: null }])),
    );
    expect(ends.reduce((sum, { recorded }) => sum + recorded, 0)).toBe(1);
    expect(ends.reduce((sum, { conflicting }) => sum + conflicting, 0)).toBe(1);
  });
});

describe("counts of a rollout", () => {
  it("are per epoch and arm, cumulative, without requests of other epochs or outside the shares", async () => {
    const advance = (expectedEpoch: number, canaryShare: number) =>
      audited(test.database).transaction((tx) =>
        advanceEpoch(tx, {
          endpoint: "live",
          expectedEpoch,
          championVersion: champion.id,
          canaryVersion: canaryShare > 0 ? canary.id : null,
          canaryShare,
          salt: "s",
          rollout: canaryShare > 0 ? "ro" : null,
          reason: "",
          createdBy: "ada",
          leaseMs: 1000,
        }),
      );
    await advance(0, 0);
    await audited(test.database).transaction((tx) =>
      startRollout(tx, {
        id: "ro",
        endpoint: "live",
        lifecycle: null,
        plan,
        championVersion: champion.id,
        canaryVersion: canary.id,
        latencyThresholdMs: 5,
        startedBy: "ada",
      }),
    );
    await advance(1, 500);
    await advance(2, 2500);
    const request = { endpoint: "live", rollout: "ro", latencyThresholdMs: 5 };
    const zero = { champion: 0, canary: 0 };
    const nothing = { requests: zero, errors: zero, slow: zero, labelled: zero, wrong: zero };
    expect(await countEpochs(test.database, request)).toEqual([
      { epoch: 2, canaryShare: 0.05, ...nothing },
      { epoch: 3, canaryShare: 0.25, ...nothing },
    ]);

    const right = predicted({ epoch: 2, decision: 1 });
    const wrong = predicted({ epoch: 2, arm: "canary", modelVersion: canary.id, decision: 1, latencyMs: 5.1 });
    const failed = predicted({ epoch: 2, arm: "canary", outcome: "error", decision: null, score: null });
    const unlabelled = predicted({ epoch: 2, latencyMs: 5 });
    const before = predicted({ epoch: 1 });
    const named = predicted({ epoch: 2, arm: "canary", assigned: false });
    await insertPredictions(test.database, [right, wrong, failed, unlabelled, before, named]);
    await label([
      { inferenceId: right.inferenceId, label: 1, at: null },
      { inferenceId: wrong.inferenceId, label: 0, at: null },
      { inferenceId: failed.inferenceId, label: 0, at: null },
    ]);
    expect(await countEpochs(test.database, request)).toEqual([
      {
        epoch: 2,
        canaryShare: 0.05,
        requests: { champion: 2, canary: 2 },
        errors: { champion: 0, canary: 1 },
        slow: { champion: 0, canary: 1 },
        labelled: { champion: 1, canary: 1 },
        wrong: { champion: 0, canary: 1 },
      },
      { epoch: 3, canaryShare: 0.25, ...nothing },
    ]);
  });
});

describe("counts of units", () => {
  /** An endpoint with a canary at 5 % in epoch 2 and at 25 % in epoch 3, and requests of them. */
  async function served(endpoint: string, requests: readonly Partial<Prediction>[]) {
    await openCanary(test.database, { endpoint, plan, latencyThresholdMs: 5 });
    const now = Date.now();
    const rows = requests.map((request, index) => predicted({ endpoint, at: new Date(now + index), ...request }));
    await insertPredictions(test.database, rows);
    return countEpochs(test.database, { endpoint, rollout: endpoint, latencyThresholdMs: 5, edges: [0.3, 0.6] });
  }
  const requestsOf = (counts: Awaited<ReturnType<typeof served>>) =>
    counts.map(({ epoch, keptAtShare, requests }) => ({ epoch, keptAtShare, ...requests }));

  it("take a routing key's first request of an epoch, and of rows of one request the first", async () => {
    const key = { epoch: 2, routingKeyHash: "ada" };
    const batch = createId();
    const counts = await served("units-a", [
      { ...key, outcome: "error", score: null, decision: null },
      { ...key, latencyMs: 900 },
      { ...key },
      { epoch: 2, routingKeyHash: "grace", arm: "canary", modelVersion: canary.id },
      { epoch: 2, inferenceId: `${batch}/0` },
      { epoch: 2, inferenceId: `${batch}/1` },
      { epoch: 2 },
      { epoch: 2 },
    ]);
    expect(counts[0]).toMatchObject({
      requests: { champion: 4, canary: 1 },
      errors: { champion: 1, canary: 0 },
      slow: { champion: 0, canary: 0 },
    });
  });

  it("leave out a key that was the canary's before, and keep one that was the champion's apart", async () => {
    const champions = { routingKeyHash: "stays", arm: "champion" as const };
    const turned = { routingKeyHash: "turns", arm: "champion" as const };
    const canaries = { routingKeyHash: "early", arm: "canary" as const, modelVersion: canary.id };
    const counts = await served("units-b", [
      { ...champions, epoch: 2 },
      { ...turned, epoch: 2 },
      { ...canaries, epoch: 2 },
      { ...champions, epoch: 3 },
      { ...turned, epoch: 3, arm: "canary", modelVersion: canary.id },
      { ...canaries, epoch: 3 },
      { routingKeyHash: "new", epoch: 3 },
    ]);
    expect(requestsOf(counts)).toEqual([
      { epoch: 2, champion: 2, canary: 1 },
      { epoch: 3, champion: 1, canary: 0 },
      { epoch: 3, keptAtShare: 0.05, champion: 1, canary: 1 },
    ]);
  });

  it("count answers by range of their prediction, by decision without a score", async () => {
    const counts = await served("units-c", [
      { epoch: 2, score: 0.1 },
      { epoch: 2, score: 0.3 },
      { epoch: 2, score: 0.9, arm: "canary", modelVersion: canary.id },
      { epoch: 2, score: null, decision: 1 },
      { epoch: 2, score: null, decision: null, outcome: "error" },
    ]);
    expect(counts[0]?.ranges).toEqual([
      { champion: 1, canary: 0 },
      { champion: 1, canary: 0 },
      { champion: 1, canary: 1 },
    ]);
  });
});

describe("the deciles of a version's predictions", () => {
  const decilesOf = async (scores: readonly (number | null)[]) => {
    const { id } = await addVersion(test.database, "flights", `scored ${scores.join(" ")}`);
    await insertPredictions(
      test.database,
      scores.map((score) => predicted({ modelVersion: id, score })),
    );
    return scoreDeciles(test.database, { endpoint: "live", modelVersion: id, since: new Date(Date.now() - 60_000) });
  };

  it("part its answers into ranges none of which is empty", async () => {
    const twenty = Array.from({ length: 20 }, (_, index) => index / 20);
    expect(await decilesOf(twenty)).toEqual({
      edges: [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85],
      sampleCount: 20,
    });
    expect((await decilesOf([0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1])).edges).toEqual([1]);
    expect(await decilesOf([0.5, 0.5])).toEqual({ edges: [], sampleCount: 2 });
  });
});

describe("the latency quantile", () => {
  it("is of one version's answered requests, and null without any", async () => {
    const { id } = await addVersion(test.database, "flights", "timed");
    const rows = [1, 2, 3, 4, 5].map((latencyMs) => predicted({ modelVersion: id, latencyMs }));
    await insertPredictions(test.database, [
      ...rows,
      predicted({ modelVersion: id, latencyMs: 900, outcome: "error" }),
    ]);
    const since = new Date(Date.now() - 60_000);
    const wanted = { endpoint: "live", modelVersion: id, since, quantile: 0.5 };
    expect(await latencyQuantile(test.database, wanted)).toEqual({ latencyMs: 3, sampleCount: 5 });
    expect(await latencyQuantile(test.database, { ...wanted, quantile: 0.625 })).toEqual({
      latencyMs: 3.5,
      sampleCount: 5,
    });
    expect(await latencyQuantile(test.database, { ...wanted, modelVersion: randomUUID() })).toBeNull();
  });
});
