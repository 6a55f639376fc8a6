import { randomUUID } from "node:crypto";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { findPassingEvaluation } from "../../../db/queries/evaluation.ts";
import type { ModelVersion } from "../../../db/queries/model.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { connectApplication, record, type Application, type Statement } from "../application.ts";
import { PERMISSION_DENIED } from "../refusal.ts";
import { addEndpoint, addEvaluation, addEvaluationStage, addLifecycle, addVersion, specFor } from "../sample.ts";
import { epochOf } from "./epoch.ts";

let test: TestDatabase;
let app: Application;
let version: ModelVersion;
let data: string;

beforeAll(async () => {
  test = await createTestDatabase();
  app = await connectApplication(test);
  version = await addVersion(test.database, "flights", "bytes");
  await addEndpoint(test.database, "live", "flights", "production");
  const { dataDigest } = await addEvaluation(test.database, version, "fail");
  data = dataDigest;
});
afterAll(async () => {
  await app.close();
  await test.close();
});

/** A passing evaluation by the settings given, with its gates. */
function passing(stageRun: string | null, settings: object & { gates: readonly object[] }): [string, Statement[]] {
  const id = randomUUID();
  const evaluation = {
    id,
    stage_run: stageRun,
    model_version: version.id,
    model_digest: version.artifact,
    data_digest: data,
    verdict: "pass",
    settings,
    row_count: 10,
  };
  const judged = { evaluation: id, verdict: "pass", reason: "", slice: "", observed: {} };
  const gates = settings.gates.map((gate, position) => ({ ...judged, position, gate }));
  return [id, [record("evaluation", evaluation), record("gate_verdict", ...gates)]];
}
const promoted = (evaluation: string): Statement[] => [
  record("routing_epoch", epochOf("live", 1, { champion: version.id })),
  record("promotion", {
    endpoint: "live",
    epoch: 1,
    version: version.id,
    model_digest: version.artifact,
    evaluation,
  }),
];
const { evaluation: accepted } = specFor("flights");
const easy = { ...accepted, gates: [{ metric: "roc-auc", atLeast: 0.01, rows: "overall" }] };

describe("I3: gates are fixed before they are measured", () => {
  it("so an evaluation in a lifecycle is judged by the settings accepted with it, and by no others", async () => {
    await addLifecycle(test.database, "strict", "flights");
    const stage = await addEvaluationStage(test.database, "strict");
    expect(await app.trial(...passing(stage, easy)[1])).toBe("evaluation_settings_fixed");
    const [id, statements] = passing(stage, accepted);
    expect(await app.trial(...statements, ...promoted(id))).toBe("(accepted)");
  });

  it("so what was accepted is never changed, nor given a stage of another lifecycle", async () => {
    for (const statement of [
      "UPDATE lifecycle SET spec = '{}'",
      "UPDATE lifecycle SET started_at = '2001-01-01'",
      "UPDATE stage_run SET lifecycle = 'easy'",
      "DELETE FROM lifecycle",
    ]) {
      expect([statement, await app.refusal(statement)]).toEqual([statement, PERMISSION_DENIED]);
    }
    const again = { id: "strict", model: "flights", spec: {}, spec_digest: data, started_by: "eve" };
    expect(await app.write(record("lifecycle", again))).toEqual([]);
  });

  it("so what was measured outside a lifecycle is no evidence where some is asked for", async () => {
    const [id, statements] = passing(null, easy);
    expect(await app.trial(...statements, ...promoted(id))).toBe("promotion_preregistered");
    await app.write(...statements);
    expect(await findPassingEvaluation(test.database, version.id)).toBeNull();
  });

  it("so neither is what a lifecycle of another model, with easier gates, measured", async () => {
    await addVersion(test.database, "hotels", "hotel bytes");
    const spec = { ...specFor("hotels"), evaluation: easy };
    const lifecycle = { id: "easy", model: "hotels", spec, spec_digest: data, started_by: "eve" };
    await app.write(record("lifecycle", lifecycle));
    const stage = await addEvaluationStage(test.database, "easy");
    const [id, statements] = passing(stage, easy);
    expect(await app.trial(...statements, ...promoted(id))).toBe("promotion_preregistered");
  });

  it("and the database's own clock says so: the lifecycle is older than its evaluation", async () => {
    await addEvaluation(test.database, version);
    const { rows } = await app.client.query<{ ordered: boolean }>(
      `SELECT lifecycle.started_at < evaluation.created_at AND stage_run.started_at <= evaluation.created_at AS ordered
       FROM evaluation JOIN stage_run ON stage_run.id = stage_run JOIN lifecycle ON lifecycle.id = lifecycle`,
    );
    expect(rows.every(({ ordered }) => ordered)).toBe(true);
    expect(rows.length).toBeGreaterThan(0);
  });
});
