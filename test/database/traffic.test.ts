import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { createId } from "../../db/identifiers.ts";
import { advanceEpoch } from "../../db/queries/advance-epoch.ts";
import { recordFeedback } from "../../db/queries/feedback.ts";
import type { ModelVersion } from "../../db/queries/model.ts";
import type { Prediction } from "../../db/queries/prediction.ts";
import { observeTraffic } from "../../db/queries/traffic.ts";
import { audited } from "../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { addEndpoint, addVersion } from "./sample.ts";
import { insertPredictions } from "../support/predictions.ts";

let test: TestDatabase;
let champion: ModelVersion;
let former: ModelVersion;

beforeAll(async () => {
  test = await createTestDatabase();
  former = await addVersion(test.database, "flights", "former");
  champion = await addVersion(test.database, "flights", "champion");
  await addEndpoint(test.database, "busy", "flights", "staging");
  await audited(test.database).transaction((tx) =>
    advanceEpoch(tx, {
      endpoint: "busy",
      expectedEpoch: 0,
      championVersion: champion.id,
      canaryVersion: null,
      canaryShare: 0,
      salt: "s",
      rollout: null,
      reason: "",
      createdBy: "ada",
      leaseMs: 1000,
    }),
  );
});
afterAll(async () => {
  await test.close();
});

const answered = (values: Partial<Prediction> = {}): Prediction => ({
  inferenceId: createId(),
  endpoint: "busy",
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

const observe = (endpoint: string, windowMs: number) =>
  observeTraffic(test.database, { endpoint, champion: champion.id, windowMs, latencyFloorMs: 5 });

describe("the observed traffic of an endpoint", () => {
  it("counts all its assigned requests since its first epoch, and the champion's rates", async () => {
    const [right, wrong] = [answered(), answered({ decision: 1 })];
    const rows = [
      right,
      wrong,
      answered({ latencyMs: 5.5 }),
      answered({ outcome: "error", decision: null, score: null }),
      answered({ modelVersion: former.id, outcome: "error", decision: null, score: null }),
      answered({ assigned: false, outcome: "error", decision: null, score: null }),
      answered({ at: new Date(Date.now() - 3_600_000) }),
    ];
    await insertPredictions(test.database, rows);
    await audited(test.database).transaction((tx) =>
      recordFeedback(
        tx,
        [right, wrong].map(({ inferenceId }) => ({ inferenceId, label: 0, at: null })),
      ),
    );
    const seen = await observe("busy", 24 * 3_600_000);
    expect(seen).toMatchObject({ requests: 5, championRequests: 4, errors: 1, aboveFloor: 1 });
    // Younger than the window, so it covers only what the endpoint has lived.
    expect(seen.coveredMs).toBeGreaterThan(0);
    expect(seen.coveredMs).toBeLessThan(3_600_000);
    expect(seen.labelDelayMs).toBeGreaterThanOrEqual(0);
  });

  it("counts labels among the requests that are old enough to have one", async () => {
    // The label of the older of the two took the longer; nine in ten labels take less than both ages once some time has passed.
    const { labelDue, labelled, wrong } = await observe("busy", 24 * 3_600_000);
    expect({ labelDue, labelled, wrong }).toEqual({ labelDue: 4, labelled: 2, wrong: 1 });
  });

  it("reads no further back than asked", async () => {
    const seen = await observe("busy", 1);
    expect(seen).toMatchObject({ requests: 0, championRequests: 0, labelled: 0, labelDelayMs: null });
    expect(seen.coveredMs).toBeGreaterThanOrEqual(1);
  });

  it("is nothing for an endpoint that never routed", async () => {
    await addEndpoint(test.database, "idle", "flights", "playground");
    expect(await observe("idle", 1000)).toMatchObject({ coveredMs: 0, requests: 0, labelDelayMs: null });
  });
});
