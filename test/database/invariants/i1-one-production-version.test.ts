import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { advanceEpoch } from "../../../db/queries/advance-epoch.ts";
import type { ModelVersion } from "../../../db/queries/model.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { connectApplication, record, type Application } from "../application.ts";
import { PERMISSION_DENIED, refusalOf } from "../refusal.ts";
import { addEndpoint, addVersion } from "../sample.ts";

let test: TestDatabase;
let app: Application;
let version: ModelVersion;

beforeAll(async () => {
  test = await createTestDatabase();
  app = await connectApplication(test);
  version = await addVersion(test.database, "flights", "bytes");
  await addEndpoint(test.database, "live", "flights", "staging");
});
afterAll(async () => {
  await app.close();
  await test.close();
});

describe("I1: a model has one production version an environment", () => {
  it("because it has one endpoint there, which a second one neither joins nor replaces", async () => {
    const second = { name: "second", environment: "staging", model: "flights" };
    expect(await app.write(record("endpoint", second))).toEqual([]);
    const owner = "INSERT INTO endpoint (name, environment, model) VALUES ('second', 'staging', 'flights')";
    expect(await refusalOf(test.admin.query(owner))).toBe("endpoint_one_per_model_and_environment");
    expect(await app.refusal(owner)).toBe(PERMISSION_DENIED);
    expect(await app.refusal("UPDATE endpoint SET environment = 'production'")).toBe(PERMISSION_DENIED);
  });

  it("because an endpoint has one current epoch, which nobody sets but a new epoch", async () => {
    expect(await app.refusal("UPDATE endpoint SET current_epoch = 7")).toBe(PERMISSION_DENIED);
    const forged = { name: "forged", environment: "canteen", model: "flights", current_epoch: 7 };
    expect(await app.trial(record("environment", { name: "canteen" }), record("endpoint", forged))).toBe("(accepted)");
    const [row] = await app.write(record("environment", { name: "canteen" }), record("endpoint", forged));
    expect(row).toMatchObject({ name: "forged", current_epoch: 0 });
  });

  it("even when many advance it at once", async () => {
    const attempts = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        audited(test.database).transaction((tx) =>
          advanceEpoch(tx, {
            endpoint: "live",
            expectedEpoch: 0,
            championVersion: version.id,
            canaryVersion: null,
            canaryShare: 0,
            salt: `${index}`,
            rollout: null,
            reason: "race",
            createdBy: "ada",
            leaseMs: 1000,
          }),
        ),
      ),
    );
    expect(attempts.filter(({ outcome }) => outcome === "advanced")).toHaveLength(1);
    expect(new Set(attempts.map(({ epoch }) => epoch))).toEqual(new Set([1]));
  });
});
