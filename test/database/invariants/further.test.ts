import { randomUUID } from "node:crypto";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { ModelVersion } from "../../../db/queries/model.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { connectApplication, record, type Application } from "../application.ts";
import { PERMISSION_DENIED, refusalOf } from "../refusal.ts";
import {
  addArtifact,
  addEvaluation,
  addEvaluationStage,
  addLifecycle,
  addVersion,
  digest,
  facts,
  signature,
} from "../sample.ts";

let test: TestDatabase;
let app: Application;
let version: ModelVersion;

beforeAll(async () => {
  test = await createTestDatabase();
  app = await connectApplication(test);
  version = await addVersion(test.database, "flights", "bytes");
  await addLifecycle(test.database, "lc-1", "flights", "ada");
});
afterAll(async () => {
  await app.close();
  await test.close();
});

const lifecycle = (fields: object) =>
  record("lifecycle", { model: "flights", spec: {}, spec_digest: digest("spec"), started_by: "eve", ...fields });
const move = (id: string, status: string) =>
  [`SELECT * FROM set_lifecycle_status($1, $2, NULL, NULL)`, [id, status]] as const;

describe("recording rows", () => {
  it("refuses a column the table does not have, and rows that are no rows", async () => {
    expect(await app.trial(record("model", { name: "new", purpose: "", color: "red" }))).toBe("42703");
    expect(await app.trial(["SELECT record_model('{}')"])).toBe("22023");
    expect(await app.trial(["SELECT record_model('[1]')"])).toBe("2203C");
    expect(await app.trial(["SELECT record_model(NULL)"])).not.toBe("(accepted)");
  });

  it("takes names of columns for names, whatever they contain", async () => {
    const injected = { name: "new", "purpose) SELECT 1; DROP TABLE feedback; --": "" };
    expect(await app.trial(record("model", injected))).toBe("42703");
    const quoted = record("model", { name: "quoted", purpose: "'); DROP TABLE feedback; -- \" \\ $1 é 👍" });
    expect(await app.write(quoted)).toMatchObject([{ purpose: "'); DROP TABLE feedback; -- \" \\ $1 é 👍" }]);
  });
});

describe("versions", () => {
  const row = (fields: object) =>
    record("model_version", {
      id: randomUUID(),
      model: "flights",
      number: 900,
      artifact: version.artifact,
      signature,
      origin: "registered",
      facts,
      created_by: "eve",
      ...fields,
    });

  it("take their number from the database, whatever a row says, and leave no gap on conflicts", async () => {
    const key = { lifecycle: "lc-1", round: 1, name: "numbered" };
    expect(await app.write(row(key))).toMatchObject([{ number: 2 }]);
    expect(await app.write(row(key))).toEqual([]);
    expect((await addVersion(test.database, "flights", "after the conflict")).number).toBe(3);
    expect(await app.refusal("UPDATE model SET next_version = 1")).toBe(PERMISSION_DENIED);
  });

  it("cannot have a parent of another model, and an optimized one has a parent", async () => {
    const other = await addVersion(test.database, "hotels", "hotel bytes");
    expect(await app.trial(row({ origin: "optimized", parent_version: other.id }))).toBe(
      "model_version_parent_version_model_fkey",
    );
    expect(await app.trial(row({ origin: "optimized" }))).toBe("model_version_check1");
  });
});

describe("a lifecycle", () => {
  it("starts running and now, whatever its row says", async () => {
    const forged = { id: "forged", status: "completed", finished_at: "2001-01-01Z", started_at: "2001-01-01Z" };
    await app.write(lifecycle(forged));
    const { rows } = await app.client.query(
      "SELECT status, finished_at, started_at > now() - interval '1 hour' AS now FROM lifecycle WHERE id = 'forged'",
    );
    expect(rows).toEqual([{ status: "running", finished_at: null, now: true }]);
  });

  it("does not leave a final status", async () => {
    await addLifecycle(test.database, "final", "flights");
    await app.write(move("final", "completed"));
    for (const status of ["running", "failed", "rejected"]) {
      expect(await app.trial(move("final", status))).toBe("lifecycle_status_order");
    }
  });

  it("has stage runs whose older attempts write nothing and whose pass stays", async () => {
    const id = await addEvaluationStage(test.database, "lc-1");
    const start = ["SELECT * FROM start_stage_run($1, 'lc-1', 'evaluate', 1, NULL)", [randomUUID()]] as const;
    const finish = (attempt: number, status: string) =>
      [`SELECT * FROM finish_stage_run($1, $2, $3, NULL, NULL, NULL, NULL)`, [id, attempt, status]] as const;
    expect(await app.write(start)).toMatchObject([{ id, attempt: 2 }]);
    expect(await app.write(finish(1, "failed"))).toEqual([]);
    expect(await app.write(finish(2, "passed"))).toMatchObject([{ status: "passed" }]);
    expect(await app.write(finish(2, "failed"))).toEqual([]);
    expect(await app.write(start)).toEqual([]);
    for (const [change, constraint] of [
      ["attempt = 1", "stage_run_attempt_order"],
      ["status = 'failed'", "stage_run_final"],
      ["attempt = 9, status = 'running'", "stage_run_final"],
    ]) {
      expect(await app.refusal(`UPDATE stage_run SET ${change} WHERE id = '${id}'`)).toBe(PERMISSION_DENIED);
      expect(await refusalOf(test.admin.query(`UPDATE stage_run SET ${change} WHERE id = '${id}'`))).toBe(constraint);
    }
  });
});

describe("metric values", () => {
  it("are a whole estimate or a reason why there is none, never NaN", async () => {
    const { id } = await addEvaluation(test.database, version);
    const value = (fields: object) =>
      app.trial(
        record("metric_value", {
          evaluation: id,
          metric: "f1",
          slice_column: "origin",
          slice_value: "a",
          sample_count: 10,
          ...fields,
        }),
      );
    expect(await value({ estimate: 0.5 })).toBe("metric_value_check");
    expect(await value({ estimate: 0.5, low: 0.4, high: 0.6, undefined_reason: "too few" })).toBe("metric_value_check");
    expect(await value({})).toBe("metric_value_check");
    expect(await value({ estimate: "NaN", low: 0, high: 1 })).toBe("metric_value_check1");
    expect(await value({ estimate: 0.5, low: 0.7, high: 0.6 })).toBe("metric_value_check1");
    expect(await value({ estimate: 0.5, low: 0.4, high: 0.6 })).toBe("(accepted)");
  });
});

describe("drift and retraining", () => {
  it("have one check a scheduled time, one decision a check and one retraining in flight", async () => {
    const profile = await audited(test.database).transaction((tx) => addArtifact(tx, "profile"));
    const monitor = { id: "m-1", model: "flights", model_version: version.id, spec: {}, schedule: "0 3 * * *" };
    await app.write(record("monitor", { ...monitor, baseline_profile: profile }));
    const check = (id: string, scheduled_at: string, fields: object = {}) =>
      record("drift_check", {
        id,
        monitor: "m-1",
        scheduled_at,
        time_window: {},
        verdict: "drifted",
        drifted_columns: ["distance"],
        harm: true,
        ...fields,
      });
    const [first, second] = [randomUUID(), randomUUID()];
    await app.write(check(first, "2001-06-01Z"));
    expect(await app.write(check(randomUUID(), "2001-06-01Z"))).toEqual([]);
    expect(await app.trial(check(randomUUID(), "2001-06-02Z", { drifted_columns: [] }))).toBe("drift_check_check");
    await app.write(check(second, "2001-06-02Z"));

    const decision = (id: string, drift_check: string, retrains: string | null) =>
      record("retrain_decision", {
        id,
        monitor: "m-1",
        model: "flights",
        drift_check,
        decision: "start",
        reason: "",
        lifecycle: retrains,
      });
    const [cause, otherCause] = [randomUUID(), randomUUID()];
    expect(await app.trial(decision(cause, first, null))).toBe("retrain_decision_check");
    await app.write(decision(cause, first, "re-1"));
    expect(await app.trial(decision(otherCause, first, "re-2"))).toBe("retrain_decision_drift_check_key");
    await app.write(decision(otherCause, second, "re-2"));

    await app.write(lifecycle({ id: "re-1", caused_by: cause }));
    expect(await app.trial(lifecycle({ id: "re-2", caused_by: otherCause }))).toBe("lifecycle_one_retraining");
    await app.write(move("re-1", "completed"));
    await app.write(lifecycle({ id: "re-2", caused_by: otherCause }));
  });
});
