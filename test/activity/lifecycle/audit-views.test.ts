import { readFile } from "node:fs/promises";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { createId } from "../../../db/identifiers.ts";
import { openActivityStage, type ActivityStage } from "./activity-stage.ts";
import { live } from "./live.ts";
import { insertPredictions } from "../../support/predictions.ts";

let stage: ActivityStage;
const inferenceId = createId();

/** The questions of docs/lineage.md, in order. */
const questions = [
  ...(await readFile(new URL("../../../docs/lineage.md", import.meta.url), "utf8")).matchAll(/```sql\n(.*?)```/gs),
].map(([, text = ""]) => text);

beforeAll(async () => {
  stage = await openActivityStage();
  await live(stage, { lifecycleId: "first", round: 1 }, 1);
  const { rows } = await stage.test.admin.query<{ id: string }>("SELECT id FROM model_version");
  const answered = { inferenceId, endpoint: "tiny", epoch: 1, modelVersion: rows[0]?.id ?? "", at: new Date() };
  const rest = {
    arm: "champion",
    assigned: true,
    routingKeyHash: null,
    latencyMs: 1,
    outcome: "ok",
    score: 0.7,
  } as const;
  await insertPredictions(stage.test.database, [{ ...answered, ...rest, decision: 1, features: null }]);
});
afterAll(async () => await stage.close());

/** Asks as somebody with another tool would, in that role. */
async function ask(role: "auditor" | "member", question: string, values: Readonly<Record<string, unknown>> = {}) {
  const names = [...question.matchAll(/(?<!:):([a-z_]+)/g)].map(([, name = ""]) => name);
  const wanted = [...new Set(names)];
  const text = question.replaceAll(/(?<!:):([a-z_]+)/g, (_, name: string) => `$${wanted.indexOf(name) + 1}`);
  await stage.test.admin.query(`SET ROLE modelwright_${role}`);
  try {
    return (
      await stage.test.admin.query(
        text,
        wanted.map((name) => values[name]),
      )
    ).rows as Record<string, unknown>[];
  } finally {
    await stage.test.admin.query("RESET ROLE");
  }
}

describe("the questions of the page about lineage, asked by an auditor", () => {
  it("are five", () => {
    expect(questions).toHaveLength(5);
  });

  it("give a prediction's whole chain", async () => {
    const rows = await ask("auditor", questions[0] ?? "", { inference_id: inferenceId });
    expect(rows).toMatchObject([
      {
        version: "model/tiny@1",
        training_data: [expect.stringMatching(/^[0-9a-f]{64}$/)],
        sources: [expect.stringMatching(/^source\/.*#[0-9a-f]{64}$/)],
        verdict: "pass",
        approved_by: [expect.stringMatching(/^person\//)],
      },
    ]);
  });

  it("give what was in production at a moment, and nothing before the first epoch", async () => {
    const [, question = ""] = questions;
    expect(await ask("auditor", question, { moment: new Date() })).toMatchObject([
      { endpoint: "tiny", epoch: 1, champion: "model/tiny@1", champion_share: 10_000, canary: null },
    ]);
    expect(await ask("auditor", question, { moment: new Date(0) })).toEqual([]);
  });

  it("give the versions that stand on a source", async () => {
    const { rows } = await stage.test.admin.query<{ ref: string }>(
      "SELECT ref FROM lineage_node JOIN used ON node = id AND role = 'source'",
    );
    const file = /([^/]+)#/.exec(rows[0]?.ref ?? "")?.[1];
    const found = await ask("auditor", questions[2] ?? "", { file });
    expect(found).toEqual([{ version: "model/tiny@1", endpoint: "tiny", epoch: 1 }]);
    expect(await ask("auditor", questions[2] ?? "", { file: "another" })).toEqual([]);
  });

  it("give no version that served unproven", async () => {
    expect(await ask("auditor", questions[3] ?? "")).toEqual([]);
  });

  it("give what one person did", async () => {
    const rows = await ask("auditor", questions[4] ?? "", { name: "grace" });
    expect(rows).toMatchObject([{ kind: "approval-decided", subject: "model/tiny@1", told: { decision: "approve" } }]);
  });
});

describe("the views for auditors", () => {
  it("are described, each and every column of them", async () => {
    const { rows } = await stage.test.admin.query(
      `SELECT relname, attname FROM pg_class LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0
       WHERE relnamespace = 'audit_views'::regnamespace
         AND (obj_description(pg_class.oid) IS NULL OR col_description(pg_class.oid, attnum) IS NULL)`,
    );
    expect(rows).toEqual([]);
  });

  it("tell what each execution used and generated, and by whom it was run", async () => {
    const rows = await ask("auditor", "SELECT * FROM audit_views.lineage_edges WHERE kind = 'register'");
    expect(rows).toMatchObject([
      { used_as: "bytes", generated: "model/tiny@1", workflow_id: "test", lifecycle: "first" },
    ]);
  });

  it("show members their models and not the audit log", async () => {
    expect(
      await ask("member", "SELECT version, verdict, gates, gates_passed FROM audit_views.version_evidence"),
    ).toEqual([{ version: "model/tiny@1", verdict: "pass", gates: "1", gates_passed: "1" }]);
    await expect(ask("member", "SELECT FROM audit_views.who_did_what")).rejects.toMatchObject({ code: "42501" });
    await stage.test.admin.query("ALTER TABLE model DISABLE TRIGGER USER; UPDATE model SET team = 'others'");
    for (const view of ["version_evidence", "approvals", "promotions", "lineage_edges", "predictions"]) {
      expect(await ask("member", `SELECT * FROM audit_views.${view}`)).toEqual([]);
    }
  });
});
