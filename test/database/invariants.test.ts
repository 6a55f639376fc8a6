import { randomUUID } from "node:crypto";

import { Client, type QueryResult, type QueryResultRow } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { ensureEndpoint } from "../../db/queries/endpoint.ts";
import { advanceEpoch } from "../../db/queries/advance-epoch.ts";
import { startRollout } from "../../db/queries/rollout.ts";
import type { ModelVersion } from "../../db/queries/model.ts";
import { audited, recordFixtureEvent } from "../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { APPEND_ONLY, PERMISSION_DENIED, refusalOf } from "./refusal.ts";
import {
  addArtifact,
  addEndpoint,
  addEvaluation,
  addEvaluationStage,
  addLifecycle,
  addVersion,
  digest,
  plan,
} from "./sample.ts";

/** Every statement here is sent as the application role, past all our code: only the database itself can refuse it. */
let test: TestDatabase;
let app: Client;
let proven: ModelVersion;
let unproven: ModelVersion;

beforeAll(async () => {
  test = await createTestDatabase();
  app = new Client({ connectionString: test.applicationUrl });
  await app.connect();
  proven = await addVersion(test.database, "flights", "proven bytes");
  unproven = await addVersion(test.database, "flights", "unproven bytes");
  await addEvaluation(test.database, proven);
  await addEvaluation(test.database, unproven, "inconclusive");
  await addEndpoint(test.database, "flights-live", "flights", "production");
  await addEndpoint(test.database, "flights-staging", "flights", "staging");
  await addLifecycle(test.database, "lc-1", "flights", "ada");
});

afterAll(async () => {
  await app.end();
  await test.close();
});

/** One governed write with its audit event, which must be accepted. */
async function write<Row extends QueryResultRow>(statement: string, values: unknown[] = []): Promise<QueryResult<Row>> {
  await app.query("BEGIN");
  try {
    const result = await app.query<Row>(statement, values);
    await recordFixtureEvent(app);
    return result;
  } finally {
    // Takes a failed transaction back.
    await app.query("COMMIT");
  }
}

async function inTransaction(...statements: [string, unknown[]?][]): Promise<string> {
  await app.query("BEGIN");
  try {
    return await refusalOf(
      (async () => {
        for (const [statement, values] of statements) await app.query(statement, values);
        await recordFixtureEvent(app);
        await app.query("COMMIT");
      })(),
    );
  } finally {
    await app.query("ROLLBACK");
  }
}

const insertEpoch = `INSERT INTO routing_epoch (endpoint, epoch, model, champion_version, canary_version, champion_share,
  canary_share, salt, rollout, reason, created_by) VALUES ($1, $2, 'flights', $3, $4, $5, $6, 's', $7, 'r', 'eve')`;

describe("evidence tables", () => {
  it.each([
    "artifact",
    "dataset_snapshot",
    "model_version",
    "evaluation",
    "metric_value",
    "gate_verdict",
    "approval",
    "routing_epoch",
    "promotion",
    "deployment_look",
    "prediction",
    "feedback",
    "feedback_conflict",
    "drift_check",
    "retrain_decision",
    "lineage_node",
    "execution",
    "used",
    "generated",
    "audit_event",
    "operation",
  ])("%s can neither be emptied nor deleted from, by the application or by its owner's accident", async (table) => {
    expect(await refusalOf(app.query(`DELETE FROM ${table}`))).toBe(PERMISSION_DENIED);
    expect(await refusalOf(app.query(`TRUNCATE ${table} CASCADE`))).toBe(PERMISSION_DENIED);
    expect(await refusalOf(test.admin.query(`DELETE FROM ${table}`))).toBe(APPEND_ONLY);
    expect(await refusalOf(test.admin.query(`TRUNCATE ${table} CASCADE`))).toBe(APPEND_ONLY);
  });

  it("cannot be freed of their triggers by the application", async () => {
    expect(await refusalOf(app.query("ALTER TABLE audit_event DISABLE TRIGGER ALL"))).toBe(PERMISSION_DENIED);
    expect(await refusalOf(app.query("SET session_replication_role = replica"))).toBe(PERMISSION_DENIED);
    expect(await refusalOf(app.query("DROP TABLE routing_epoch CASCADE"))).toBe(PERMISSION_DENIED);
    expect(await refusalOf(app.query("UPDATE audit_head SET seq = 0"))).toBe(PERMISSION_DENIED);
    expect(await refusalOf(app.query("SELECT make_append_only('model')"))).toBe(PERMISSION_DENIED);
  });
});

describe("artifacts and versions", () => {
  it("have digests of 64 lowercase hexadecimal digits", async () => {
    const insert = "INSERT INTO artifact (digest, kind, size_bytes, media_type) VALUES ($1, 'model', 1, '')";
    expect(await refusalOf(app.query(insert, ["A".repeat(64)]))).toBe("digest_check");
    expect(await refusalOf(app.query(insert, ["../../etc/passwd"]))).toBe("digest_check");
  });

  it("take their number from the database, whatever the INSERT says, and leave no gap on conflicts", async () => {
    const insert = `INSERT INTO model_version (id, model, number, artifact, signature, origin, facts, lifecycle, round, name, created_by)
      VALUES ($1, 'flights', 900, $2, '{}', 'registered', '{}', 'lc-1', 1, 'numbered', 'eve') ON CONFLICT DO NOTHING RETURNING number`;
    const first = await write<{ number: number }>(insert, [randomUUID(), proven.artifact]);
    expect(first.rows).toEqual([{ number: 3 }]);
    expect((await app.query(insert, [randomUUID(), proven.artifact])).rowCount).toBe(0);
    const next = await addVersion(test.database, "flights", "after the conflict");
    expect(next.number).toBe(4);
    expect(await refusalOf(app.query("UPDATE model SET next_version = 1"))).toBe(PERMISSION_DENIED);
  });

  it("cannot have a parent of another model, and an optimized one has a parent", async () => {
    const other = await addVersion(test.database, "hotels", "hotel bytes");
    const insert = `INSERT INTO model_version (id, model, number, artifact, signature, origin, parent_version, facts, created_by)
      VALUES ($1, 'flights', 1, $2, '{}', 'optimized', $3, '{}', 'eve')`;
    expect(await refusalOf(app.query(insert, [randomUUID(), proven.artifact, other.id]))).toBe(
      "model_version_parent_version_model_fkey",
    );
    expect(await refusalOf(app.query(insert, [randomUUID(), proven.artifact, null]))).toBe("model_version_check1");
  });
});

describe("a lifecycle", () => {
  it("keeps its spec, author and cause", async () => {
    expect(await refusalOf(app.query("UPDATE lifecycle SET spec = '{}'"))).toBe(PERMISSION_DENIED);
    expect(await refusalOf(app.query("UPDATE lifecycle SET started_by = 'eve'"))).toBe(PERMISSION_DENIED);
    expect(await refusalOf(app.query("DELETE FROM lifecycle"))).toBe(PERMISSION_DENIED);
  });

  it("starts running and now, whatever the INSERT says", async () => {
    await write(
      `INSERT INTO lifecycle (id, model, spec, spec_digest, started_by, status, finished_at, started_at)
       VALUES ('lc-forged', 'flights', '{}', $1, 'eve', 'completed', '2001-01-01', '2001-01-01')`,
      [digest("spec")],
    );
    const { rows } = await app.query(
      "SELECT status, finished_at, started_at > now() - interval '1 hour' AS now FROM lifecycle WHERE id = 'lc-forged'",
    );
    expect(rows).toEqual([{ status: "running", finished_at: null, now: true }]);
  });

  it("does not leave a final status", async () => {
    await addLifecycle(test.database, "lc-final", "flights");
    await write("UPDATE lifecycle SET status = 'completed' WHERE id = 'lc-final'");
    for (const status of ["running", "failed", "rejected"]) {
      expect(await refusalOf(app.query(`UPDATE lifecycle SET status = '${status}' WHERE id = 'lc-final'`))).toBe(
        "lifecycle_status_order",
      );
    }
  });

  it("is not approved by its author, in whatever letter case or under a lent name", async () => {
    const insert = `INSERT INTO approval (id, lifecycle, round, decision, decided_by, started_by, reason, evidence_digest)
      VALUES ($1, 'lc-1', $2, $3, $4, $5, 'fine', $6)`;
    const evidence = digest("evidence");
    expect(await refusalOf(app.query(insert, [randomUUID(), 1, "approve", "ada", "ada", evidence]))).toBe(
      "approval_not_by_author",
    );
    expect(await refusalOf(app.query(insert, [randomUUID(), 1, "approve", "ADA", "ada", evidence]))).toBe(
      "approval_not_by_author",
    );
    expect(await refusalOf(app.query(insert, [randomUUID(), 1, "approve", " ada", "ada", evidence]))).toBe(
      "actor_check",
    );
    expect(await refusalOf(app.query(insert, [randomUUID(), 1, "approve", "ada", "somebody else", evidence]))).toBe(
      "approval_lifecycle_started_by_fkey",
    );
    const { rows } = await app.query<{ ref: string }>("SELECT started_by AS ref FROM lifecycle WHERE id = 'lc-1'");
    const author = rows[0]?.ref;
    expect(await refusalOf(app.query(insert, [randomUUID(), 1, "approve", author, author, evidence]))).toBe(
      "approval_not_by_author",
    );
    await write(insert, [randomUUID(), 1, "approve", "grace", author, evidence]);
    expect(await refusalOf(app.query(insert, [randomUUID(), 1, "reject", "grace", author, evidence]))).toBe(
      "approval_lifecycle_round_key",
    );
  });

  it("has stage runs whose older attempts write nothing and whose pass stays", async () => {
    const id = await addEvaluationStage(test.database, "lc-1");
    await app.query("UPDATE stage_run SET attempt = 3 WHERE id = $1", [id]);
    expect(await refusalOf(app.query("UPDATE stage_run SET attempt = 2 WHERE id = $1", [id]))).toBe(
      "stage_run_attempt_order",
    );
    await app.query("UPDATE stage_run SET status = 'passed' WHERE id = $1", [id]);
    expect(await refusalOf(app.query("UPDATE stage_run SET status = 'failed' WHERE id = $1", [id]))).toBe(
      "stage_run_final",
    );
    expect(await refusalOf(app.query("UPDATE stage_run SET attempt = 9, status = 'running' WHERE id = $1", [id]))).toBe(
      "stage_run_final",
    );
  });
});

describe("an evaluation", () => {
  const insert = `INSERT INTO evaluation (id, stage_run, model_version, model_digest, data_digest, verdict, settings, row_count)
    VALUES ($1, $2, $3, $4, $5, 'pass', $6, 10)`;
  const gate = { metric: "roc-auc", atLeast: 0.6, rows: "overall" };
  const insertGate = `INSERT INTO gate_verdict (evaluation, position, gate, verdict, reason, slice, observed)
    VALUES ($1, $2, $3, $4, '', 'overall', '{}')`;

  it("does not pass without its gates judged, or with one that did not pass", async () => {
    const values = (id: string) => [
      id,
      null,
      unproven.id,
      unproven.artifact,
      digest("evaluation data"),
      { gates: [gate] },
    ];
    const [bare, failing, lighter] = [randomUUID(), randomUUID(), randomUUID()];
    expect(await inTransaction([insert, values(bare)])).toBe("evaluation_pass_needs_gates");
    expect(await inTransaction([insert, values(failing)], [insertGate, [failing, 0, gate, "inconclusive"]])).toBe(
      "evaluation_pass_needs_gates",
    );
    const easy = { ...gate, atLeast: 0.1 };
    expect(await inTransaction([insert, values(lighter)], [insertGate, [lighter, 0, easy, "pass"]])).toBe(
      "evaluation_pass_needs_gates",
    );
  });

  it("is of the version's own bytes", async () => {
    const values = [randomUUID(), null, unproven.id, proven.artifact, digest("evaluation data"), { gates: [] }];
    expect(await inTransaction([insert, values])).toBe("evaluation_model_version_model_digest_fkey");
  });

  it("inside a lifecycle is judged by the settings accepted before", async () => {
    await addLifecycle(test.database, "lc-gates", "flights");
    const stage = await addEvaluationStage(test.database, "lc-gates");
    const id = randomUUID();
    const values = [id, stage, unproven.id, unproven.artifact, digest("evaluation data"), { gates: [gate] }];
    expect(await inTransaction([insert, values], [insertGate, [id, 0, gate, "pass"]])).toBe(
      "evaluation_settings_fixed",
    );
  });
});

describe("routing", () => {
  const promote = `INSERT INTO promotion (endpoint, epoch, version, model_digest, evaluation, verdict)
    VALUES ('flights-live', 1, $1, $2, $3, $4)`;

  it("lets a version into production only with a passing evaluation of exactly these bytes", async () => {
    const champion = (version: string) => ["flights-live", 1, version, null, 10_000, 0, null];
    const { rows } = await app.query<{ id: string; model_version: string; verdict: string }>(
      "SELECT id, model_version, verdict FROM evaluation",
    );
    const evaluationOf = (version: ModelVersion) => rows.find((row) => row.model_version === version.id)?.id;

    expect(await inTransaction([insertEpoch, champion(proven.id)])).toBe("routing_epoch_needs_evidence");
    // Its own evaluation, which did not pass.
    expect(
      await inTransaction(
        [insertEpoch, champion(unproven.id)],
        [promote, [unproven.id, unproven.artifact, evaluationOf(unproven), "pass"]],
      ),
    ).toBe("promotion_evaluation_version_model_digest_verdict_fkey");
    expect(
      await inTransaction(
        [insertEpoch, champion(unproven.id)],
        [promote, [unproven.id, unproven.artifact, evaluationOf(unproven), "inconclusive"]],
      ),
    ).toBe("promotion_verdict_check");
    // Somebody else's passing evaluation.
    expect(
      await inTransaction(
        [insertEpoch, champion(unproven.id)],
        [promote, [unproven.id, unproven.artifact, evaluationOf(proven), "pass"]],
      ),
    ).toBe("promotion_evaluation_version_model_digest_verdict_fkey");
    // Evidence for the champion does not cover the canary.
    expect(
      await inTransaction(
        [insertEpoch, ["flights-live", 1, proven.id, unproven.id, 9_000, 1_000, null]],
        [promote, [proven.id, proven.artifact, evaluationOf(proven), "pass"]],
      ),
    ).toBe("routing_epoch_needs_evidence");
    expect(
      await inTransaction(
        [insertEpoch, champion(proven.id)],
        [promote, [proven.id, proven.artifact, evaluationOf(proven), "pass"]],
      ),
    ).toBe("(accepted)");
  });

  it("cannot be talked out of asking for evidence", async () => {
    expect(await refusalOf(app.query("UPDATE environment SET requires_evidence = false"))).toBe(PERMISSION_DENIED);
    await app.query("INSERT INTO environment (name, requires_evidence) VALUES ('lax', false)");
    const { rows } = await app.query("SELECT requires_evidence FROM environment WHERE name = 'lax'");
    expect(rows).toEqual([{ requires_evidence: true }]);
    expect(await refusalOf(app.query("UPDATE endpoint SET environment = 'staging'"))).toBe(PERMISSION_DENIED);
    expect(await refusalOf(app.query("UPDATE endpoint SET current_epoch = 0"))).toBe(PERMISSION_DENIED);
  });

  it("has one endpoint, and so one production version, a model and environment", async () => {
    const insert = "INSERT INTO endpoint (name, environment, model) VALUES ('second', 'production', 'flights')";
    expect(await refusalOf(app.query(insert))).toBe("endpoint_one_per_model_and_environment");
  });

  it("has shares that sum to 10 000 basis points and somebody to serve each", async () => {
    const epoch = (champion: string | null, canary: string | null, championShare: number, canaryShare: number) => [
      "flights-staging",
      1,
      champion,
      canary,
      championShare,
      canaryShare,
      null,
    ];
    const { id } = proven;
    expect(await refusalOf(app.query(insertEpoch, epoch(id, unproven.id, 9_000, 999)))).toBe(
      "routing_epoch_shares_sum",
    );
    expect(await refusalOf(app.query(insertEpoch, epoch(null, id, 5_000, 5_000)))).toBe("routing_epoch_check");
    expect(await refusalOf(app.query(insertEpoch, epoch(id, null, 5_000, 5_000)))).toBe("routing_epoch_check1");
    expect(await refusalOf(app.query(insertEpoch, epoch(id, unproven.id, 10_001, -1)))).toBe(
      "routing_epoch_canary_share_check",
    );
    expect(await refusalOf(app.query(insertEpoch, epoch(id, id, 5_000, 5_000)))).toBe("routing_epoch_check2");
  });

  it("serves only versions of the endpoint's model", async () => {
    const hotel = await addVersion(test.database, "hotels", "other hotel bytes");
    const values = ["flights-staging", 1, hotel.id, null, 10_000, 0, null];
    expect(await refusalOf(app.query(insertEpoch, values))).toBe("routing_epoch_champion_version_model_fkey");
  });

  it("has epochs without a hole, and none that is written twice or changed", async () => {
    const values = (epoch: number) => ["flights-staging", epoch, proven.id, null, 10_000, 0, null];
    expect(await refusalOf(app.query(insertEpoch, values(2)))).toBe("routing_epoch_order");
    await write(insertEpoch, values(1));
    expect(await refusalOf(app.query(insertEpoch, values(1)))).toBe("routing_epoch_order");
    expect(await refusalOf(app.query("UPDATE routing_epoch SET reason = 'other'"))).toBe(PERMISSION_DENIED);
  });

  it("has one writer an endpoint while a rollout runs", async () => {
    const rolloutOf = (id: string) => ({
      id,
      endpoint: "flights-staging",
      lifecycle: null,
      plan,
      championVersion: proven.id,
      canaryVersion: unproven.id,
      latencyThresholdMs: null,
      startedBy: "ada",
    });
    await audited(test.database).transaction((tx) => startRollout(tx, rolloutOf("ro-1")));
    const insert = `INSERT INTO rollout (id, endpoint, model, plan, plan_digest, canary_version, started_by)
      VALUES ('ro-2', 'flights-staging', 'flights', '{}', $1, $2, 'eve')`;
    expect(await refusalOf(app.query(insert, [digest("plan"), unproven.id]))).toBe("rollout_one_writer");
    expect(await refusalOf(app.query(insertEpoch, ["flights-staging", 2, unproven.id, null, 10_000, 0, null]))).toBe(
      "routing_epoch_one_writer",
    );
    await write("UPDATE rollout SET status = 'aborted' WHERE id = 'ro-1'");
    expect(await refusalOf(app.query("UPDATE rollout SET status = 'promoted' WHERE id = 'ro-1'"))).toBe(
      "rollout_final",
    );
  });

  it("has one current version even when many advance it at once", async () => {
    await audited(test.database).transaction((tx) =>
      ensureEndpoint(tx, { name: "raced", environment: "canteen", model: "hotels" }),
    );
    await test.admin.query("UPDATE environment SET requires_evidence = false WHERE name = 'canteen'");
    const hotel = await addVersion(test.database, "hotels", "raced bytes");
    const attempts = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        audited(test.database).transaction((tx) =>
          advanceEpoch(tx, {
            endpoint: "raced",
            expectedEpoch: 0,
            championVersion: hotel.id,
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

describe("metric values", () => {
  it("are a whole estimate or a reason why there is none, never NaN", async () => {
    const { rows } = await app.query<{ id: string }>("SELECT id FROM evaluation LIMIT 1");
    const insert = `INSERT INTO metric_value (evaluation, metric, slice_column, slice_value, estimate, low, high, sample_count,
      undefined_reason) VALUES ($1, 'f1', 'origin', $2, $3, $4, $5, 10, $6)`;
    const id = rows[0]?.id;
    expect(await refusalOf(app.query(insert, [id, "a", 0.5, null, null, null]))).toBe("metric_value_check");
    expect(await refusalOf(app.query(insert, [id, "a", 0.5, 0.4, 0.6, "too few"]))).toBe("metric_value_check");
    expect(await refusalOf(app.query(insert, [id, "a", null, null, null, null]))).toBe("metric_value_check");
    expect(await refusalOf(app.query(insert, [id, "a", "NaN", 0, 1, null]))).toBe("metric_value_check1");
    expect(await refusalOf(app.query(insert, [id, "a", 0.5, 0.7, 0.6, null]))).toBe("metric_value_check1");
  });
});

describe("drift and retraining", () => {
  it("have one check a scheduled time, one decision a check and one retraining in flight", async () => {
    const profile = await audited(test.database).transaction((tx) => addArtifact(tx, "profile"));
    await write(
      `INSERT INTO monitor (id, model, model_version, spec, schedule, baseline_profile)
       VALUES ('m-1', 'flights', $1, '{}', '0 3 * * *', $2)`,
      [proven.id, profile],
    );
    const insertCheck = `INSERT INTO drift_check (id, monitor, scheduled_at, time_window, verdict, drifted_columns, harm)
      VALUES ($1, 'm-1', $2, '{}', $3, $4, true)`;
    const [first, second] = [randomUUID(), randomUUID()];
    await write(insertCheck, [first, "2001-06-01Z", "drifted", ["distance"]]);
    expect(await refusalOf(app.query(insertCheck, [randomUUID(), "2001-06-01Z", "stable", []]))).toBe(
      "drift_check_monitor_scheduled_at_key",
    );
    expect(await refusalOf(app.query(insertCheck, [randomUUID(), "2001-06-02Z", "drifted", []]))).toBe(
      "drift_check_check",
    );
    await write(insertCheck, [second, "2001-06-02Z", "drifted", ["distance"]]);

    const insertDecision = `INSERT INTO retrain_decision (id, monitor, model, drift_check, decision, reason, lifecycle)
      VALUES ($1, 'm-1', 'flights', $2, $3, '', $4)`;
    const [cause, otherCause] = [randomUUID(), randomUUID()];
    expect(await refusalOf(app.query(insertDecision, [cause, first, "start", null]))).toBe("retrain_decision_check");
    await write(insertDecision, [cause, first, "start", "lc-re-1"]);
    expect(await refusalOf(app.query(insertDecision, [otherCause, first, "start", "lc-re-2"]))).toBe(
      "retrain_decision_drift_check_key",
    );
    await write(insertDecision, [otherCause, second, "start", "lc-re-2"]);

    const insertLifecycle = `INSERT INTO lifecycle (id, model, spec, spec_digest, started_by, caused_by)
      VALUES ($1, 'flights', '{}', $2, 'scheduler', $3)`;
    await write(insertLifecycle, ["lc-re-1", digest("spec"), cause]);
    expect(await refusalOf(app.query(insertLifecycle, ["lc-re-2", digest("spec"), otherCause]))).toBe(
      "lifecycle_one_retraining",
    );
    await write("UPDATE lifecycle SET status = 'completed' WHERE id = 'lc-re-1'");
    await write(insertLifecycle, ["lc-re-2", digest("spec"), otherCause]);
  });
});
