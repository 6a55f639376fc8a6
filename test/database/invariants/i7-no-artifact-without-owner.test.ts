import { randomUUID } from "node:crypto";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { ModelVersion } from "../../../db/queries/model.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { connectApplication, record, type Application } from "../application.ts";
import { APPEND_ONLY, PERMISSION_DENIED, refusalOf } from "../refusal.ts";
import { addVersion, digest, facts, signature } from "../sample.ts";

let test: TestDatabase;
let app: Application;
let version: ModelVersion;

beforeAll(async () => {
  test = await createTestDatabase();
  app = await connectApplication(test);
  version = await addVersion(test.database, "flights", "bytes");
});
afterAll(async () => {
  await app.close();
  await test.close();
});

/** That the bytes are there before their row is no database can hold: test/architecture/artifacts.test.ts. */
describe("I7: a row that names bytes", () => {
  const nowhere = digest("never stored");

  it("names bytes that are on record", async () => {
    const row = {
      id: randomUUID(),
      model: "flights",
      number: 0,
      signature,
      origin: "registered",
      facts,
      created_by: "eve",
    };
    expect(await app.trial(record("model_version", { ...row, artifact: nowhere }))).toBe("model_version_artifact_fkey");
    const evaluation = {
      id: randomUUID(),
      model_version: version.id,
      model_digest: version.artifact,
      verdict: "fail",
      settings: { gates: [] },
      row_count: 1,
    };
    const of = (fields: object) => record("evaluation", { ...evaluation, data_digest: version.artifact, ...fields });
    expect(await app.trial(of({ data_digest: nowhere }))).toBe("evaluation_data_digest_fkey");
    expect(await app.trial(of({ report_digest: nowhere }))).toBe("evaluation_report_digest_fkey");
    const snapshot = { digest: nowhere, description: {}, source_path: "x", select_expressions: {} };
    expect(await app.trial(record("dataset_snapshot", snapshot))).toBe("dataset_snapshot_digest_fkey");
    const monitor = { id: "m", model: "flights", model_version: version.id, spec: {}, schedule: "0 3 * * *" };
    expect(await app.trial(record("monitor", { ...monitor, baseline_profile: nowhere }))).toBe(
      "monitor_baseline_profile_fkey",
    );
  });

  it("keeps them on record: nothing is deleted under it, by the application or by its owner's accident", async () => {
    for (const table of ["artifact", "dataset_snapshot", "model_version", "evaluation"]) {
      for (const statement of [`DELETE FROM ${table}`, `TRUNCATE ${table} CASCADE`]) {
        expect([statement, await app.refusal(statement)]).toEqual([statement, PERMISSION_DENIED]);
        expect([statement, await refusalOf(test.admin.query(statement))]).toEqual([statement, APPEND_ONLY]);
      }
    }
  });

  it("names them by a digest, never by a place", async () => {
    const artifact = { kind: "model", size_bytes: 1, media_type: "" };
    for (const name of ["A".repeat(64), "../../etc/passwd", `file:///${"a".repeat(56)}`, "", `${"a".repeat(64)}\n`]) {
      expect([name, await app.trial(record("artifact", { ...artifact, digest: name }))]).toEqual([
        name,
        "digest_check",
      ]);
    }
  });
});
