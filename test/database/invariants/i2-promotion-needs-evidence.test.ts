import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { Evaluation } from "../../../db/queries/evaluation.ts";
import type { ModelVersion } from "../../../db/queries/model.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { connectApplication, record, type Application } from "../application.ts";
import { PERMISSION_DENIED } from "../refusal.ts";
import { addEndpoint, addEvaluation, addVersion } from "../sample.ts";
import { epochOf } from "./epoch.ts";

let test: TestDatabase;
let app: Application;
let proven: ModelVersion;
let unproven: ModelVersion;
let passing: Evaluation;
let inconclusive: Evaluation;

beforeAll(async () => {
  test = await createTestDatabase();
  app = await connectApplication(test);
  proven = await addVersion(test.database, "flights", "proven bytes");
  unproven = await addVersion(test.database, "flights", "unproven bytes");
  passing = await addEvaluation(test.database, proven);
  inconclusive = await addEvaluation(test.database, unproven, "inconclusive");
  await addEndpoint(test.database, "live", "flights", "production");
});
afterAll(async () => {
  await app.close();
  await test.close();
});

const champion = (version: ModelVersion) => record("routing_epoch", epochOf("live", 1, { champion: version.id }));
const promotion = (version: ModelVersion, evaluation: Evaluation, verdict = "pass") =>
  record("promotion", {
    endpoint: "live",
    epoch: 1,
    version: version.id,
    model_digest: version.artifact,
    evaluation: evaluation.id,
    verdict,
  });
const FOREIGN_KEY = "promotion_evaluation_version_model_digest_verdict_fkey";

describe("I2: production takes only a version with a passing evaluation of exactly these bytes", () => {
  it("and accepts one that has it", async () => {
    expect(await app.trial(champion(proven), promotion(proven, passing))).toBe("(accepted)");
  });

  it("not one without, with one that did not pass, or with somebody else's", async () => {
    expect(await app.trial(champion(proven))).toBe("routing_epoch_needs_evidence");
    expect(await app.trial(champion(unproven), promotion(unproven, inconclusive))).toBe(FOREIGN_KEY);
    expect(await app.trial(champion(unproven), promotion(unproven, inconclusive, "inconclusive"))).toBe(
      "promotion_verdict_check",
    );
    expect(await app.trial(champion(unproven), promotion(unproven, passing))).toBe(FOREIGN_KEY);
  });

  it("not a canary on the evidence of its champion", async () => {
    const both = epochOf("live", 1, { champion: proven.id, canary: unproven.id, canaryShare: 1000 });
    expect(await app.trial(record("routing_epoch", both), promotion(proven, passing))).toBe(
      "routing_epoch_needs_evidence",
    );
  });

  it("whatever the application says about the environment or the evaluation", async () => {
    for (const statement of [
      "UPDATE environment SET requires_evidence = false",
      "UPDATE endpoint SET environment = 'staging'",
      "UPDATE evaluation SET verdict = 'pass'",
      "INSERT INTO promotion SELECT * FROM promotion",
      "INSERT INTO routing_epoch SELECT * FROM routing_epoch",
    ]) {
      expect([statement, await app.refusal(statement)]).toEqual([statement, PERMISSION_DENIED]);
    }
    const [lax] = await app.write(record("environment", { name: "lax", requires_evidence: false }));
    expect(lax).toMatchObject({ requires_evidence: true });
  });
});

describe("an evaluation passes", () => {
  const gate = { metric: "roc-auc", atLeast: 0.6, rows: "overall" };
  const id = "00000000-0000-7000-8000-000000000001";
  const claim = (fields: object = {}) =>
    record("evaluation", {
      id,
      model_version: unproven.id,
      model_digest: unproven.artifact,
      data_digest: inconclusive.dataDigest,
      verdict: "pass",
      settings: { gates: [gate] },
      row_count: 10,
      ...fields,
    });
  const judged = (of: object, verdict: string) =>
    record("gate_verdict", { evaluation: id, position: 0, gate: of, verdict, reason: "", slice: "", observed: {} });

  it("only with every gate of its settings judged and passed", async () => {
    expect(await app.trial(claim())).toBe("evaluation_pass_needs_gates");
    expect(await app.trial(claim({ settings: { gates: [] } }))).toBe("evaluation_pass_needs_gates");
    expect(await app.trial(claim(), judged(gate, "inconclusive"))).toBe("evaluation_pass_needs_gates");
    expect(await app.trial(claim(), judged({ ...gate, atLeast: 0.1 }, "pass"))).toBe("evaluation_pass_needs_gates");
    expect(await app.trial(claim(), judged(gate, "pass"))).toBe("(accepted)");
  });

  it("only of the version's own bytes", async () => {
    expect(await app.trial(claim({ model_digest: proven.artifact }), judged(gate, "pass"))).toBe(
      "evaluation_model_version_model_digest_fkey",
    );
  });
});
