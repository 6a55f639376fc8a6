import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { openDatabase, type Database } from "../../../db/client.ts";
import { createLogin, listLogins, type LoginRequest } from "../../../db/logins.ts";
import { createId } from "../../../db/identifiers.ts";
import { recordFeedback } from "../../../db/queries/feedback.ts";
import { startRollout } from "../../../db/queries/rollout.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { PERMISSION_DENIED, refusalOf } from "../refusal.ts";
import { addEndpoint, addEvaluation, addLifecycle, addVersion, plan } from "../sample.ts";
import { insertPredictions } from "../../support/predictions.ts";

const TEAMS = { birds: "flights", hosts: "hotels" };
const suffix = createId().slice(-8);
const clients: Client[] = [];
let test: TestDatabase;
let owner: Database;
let bird: Client;
let auditor: Client;

beforeAll(async () => {
  test = await createTestDatabase();
  owner = openDatabase({ url: test.adminUrl });
  for (const model of ["flights", "hotels", "weather"]) await addLife(model);
  for (const [team, model] of Object.entries(TEAMS)) {
    await test.admin.query("UPDATE model SET team = $1 WHERE name = $2", [team, model]);
  }
  bird = await connect({ name: `bird-${suffix}`, role: "member", teams: ["birds"] });
  auditor = await connect({ name: `auditor-${suffix}`, role: "auditor", teams: [] });
});
afterAll(async () => {
  for (const client of clients) await client.end();
  await owner.close();
  const logins = clients.map(({ user }) => user);
  for (const login of logins) await test.admin.query(`DROP OWNED BY "${login}"; DROP ROLE "${login}"`);
  await test.close();
});

async function connect(request: LoginRequest): Promise<Client> {
  const { login, password } = await audited(owner).transaction((tx) => createLogin(tx, request));
  const url = new URL(test.adminUrl);
  url.username = login;
  url.password = password;
  const client = new Client({ connectionString: url.href });
  await client.connect();
  clients.push(client);
  return client;
}

/** A row in every table that hangs on a model. */
async function addLife(model: string): Promise<void> {
  const version = await addVersion(test.database, model, `${model} bytes`);
  await addEvaluation(test.database, version);
  await addLifecycle(test.database, `${model}-life`, model);
  await addEndpoint(test.database, `${model}-live`, model, "staging");
  await audited(test.database).transaction(async (tx) => {
    await startRollout(tx, {
      id: `${model}-rollout`,
      endpoint: `${model}-live`,
      lifecycle: null,
      plan,
      championVersion: null,
      canaryVersion: version.id,
      latencyThresholdMs: null,
      startedBy: "ada",
    });
    const inferenceId = createId();
    const row = { inferenceId, endpoint: `${model}-live`, epoch: 1, arm: "champion", outcome: "ok" } as const;
    const rest = { assigned: true, modelVersion: version.id, routingKeyHash: null, score: null, decision: null };
    await insertPredictions(tx, [{ ...row, ...rest, at: new Date(), latencyMs: 1, features: null }]);
    await recordFeedback(tx, [{ inferenceId, label: 1, at: null }]);
  });
}

async function column(client: Client, statement: string): Promise<string[]> {
  return (await client.query<string[]>({ text: statement, rowMode: "array" })).rows.map(([value]) => String(value));
}

describe("a member's login", () => {
  it("reads the rows of its team's models and of models without a team, and no other", async () => {
    expect(await column(bird, "SELECT name FROM model ORDER BY 1")).toEqual(["flights", "weather"]);
    for (const table of ["model_version", "lifecycle", "endpoint", "rollout"]) {
      const models = await column(bird, `SELECT DISTINCT model FROM ${table} ORDER BY 1`);
      expect([table, models]).toEqual([table, ["flights", "weather"]]);
    }
    expect(await column(bird, "SELECT endpoint FROM prediction ORDER BY 1")).toEqual(["flights-live", "weather-live"]);
  });

  it("reads nothing of another team in any table, whatever the table hangs on", async () => {
    const all = await column(
      test.admin,
      `SELECT relname FROM pg_class WHERE relrowsecurity AND relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
       AND NOT relispartition`,
    );
    expect(all.length).toBeGreaterThanOrEqual(24);
    await test.admin.query("UPDATE model SET team = 'hosts'");
    // Its own teams, and the approval policy of all models, are not another team's.
    for (const table of all.filter((name) => !["team_login", "approval_policy"].includes(name))) {
      expect([table, await column(bird, `SELECT count(*) FROM ${table}`)]).toEqual([table, ["0"]]);
    }
    await test.admin.query(
      "UPDATE model SET team = CASE name WHEN 'flights' THEN 'birds' WHEN 'hotels' THEN 'hosts' END",
    );
    for (const table of ["stage_run", "metric_value", "gate_verdict", "evaluation", "artifact", "feedback"]) {
      expect([table, await column(bird, `SELECT count(*) > 0 FROM ${table}`)]).toEqual([table, ["true"]]);
    }
  });

  it("cannot become somebody else: no setting and no role changes what it sees", async () => {
    for (const statement of [
      "SET ROLE modelwright_auditor",
      "SET SESSION AUTHORIZATION postgres",
      "SET ROLE modelwright_application",
    ]) {
      expect([statement, await refusalOf(bird.query(statement))]).toEqual([statement, PERMISSION_DENIED]);
    }
    await bird.query("SET row_security = off");
    expect(await refusalOf(bird.query("SELECT FROM model"))).toBe(PERMISSION_DENIED);
    await bird.query("RESET row_security; SET ROLE modelwright_member");
    expect(await column(bird, "SELECT name FROM model ORDER BY 1")).toEqual(["flights", "weather"]);
    await bird.query("RESET ROLE");
    expect(await column(bird, "SELECT team FROM team_login")).toEqual(["birds"]);
  });

  it("reads neither the audit log nor the ledger, nor a partition past its table's policy", async () => {
    const [partition] = await column(
      test.admin,
      "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' LIMIT 1",
    );
    for (const table of ["audit_event", "audit_head", "operation", partition]) {
      expect([table, await refusalOf(bird.query(`SELECT FROM ${table}`))]).toEqual([table, PERMISSION_DENIED]);
    }
  });

  it("without a team sees what is everybody's", async () => {
    const guest = await connect({ name: `guest-${suffix}`, role: "member", teams: [] });
    expect(await column(guest, "SELECT name FROM model")).toEqual(["weather"]);
  });

  it("given a second team sees both, under a new password", async () => {
    const both = await connect({ name: `bird-${suffix}`, role: "member", teams: ["hosts"] });
    clients.pop();
    expect(await column(both, "SELECT name FROM model ORDER BY 1")).toEqual(["flights", "hotels", "weather"]);
    await both.end();
    await test.admin.query("ALTER TABLE team_login DISABLE TRIGGER USER; DELETE FROM team_login WHERE team = 'hosts'");
    await test.admin.query("ALTER TABLE team_login ENABLE TRIGGER USER");
  });
});

describe("an auditor's login", () => {
  it("reads every table whole", async () => {
    const tables = await column(
      test.admin,
      `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`,
    );
    for (const table of tables) {
      const counted = `SELECT count(*) FROM ${table}`;
      expect([table, await column(auditor, counted)]).toEqual([table, await column(test.admin, counted)]);
    }
  });
});

describe("both", () => {
  it("write nothing, lock nothing and call none of the functions that write", async () => {
    for (const client of [bird, auditor]) {
      await client.query("SET default_transaction_read_only = off");
      for (const statement of [
        "INSERT INTO model (name, purpose) VALUES ('forged', '')",
        "UPDATE model SET team = 'birds'",
        "DELETE FROM gateway",
        "TRUNCATE feedback",
        "SELECT FROM model FOR UPDATE",
        "SELECT record_model('[]')",
        "SELECT lock_audit_head('modelwright')",
        "INSERT INTO team_login (login, team) VALUES (session_user, 'hosts')",
        "CREATE TABLE mine ()",
      ]) {
        expect([statement, await refusalOf(client.query(statement))]).toEqual([statement, PERMISSION_DENIED]);
      }
    }
  });

  it("are listed with their role and teams", async () => {
    const found = (await listLogins(owner)).filter(({ login }) => login.includes(suffix));
    expect(found).toContainEqual({ login: `modelwright_member_bird-${suffix}`, role: "member", teams: ["birds"] });
    expect(found).toContainEqual({ login: `modelwright_auditor_auditor-${suffix}`, role: "auditor", teams: [] });
  });

  it("have names Postgres does not cut", async () => {
    const long = { name: "x".repeat(60), role: "member", teams: [] } as const;
    await expect(audited(owner).transaction((tx) => createLogin(tx, long))).rejects.toMatchObject({
      code: "INPUT_INVALID",
    });
  });
});

describe("the application's login", () => {
  it("reads and counts every team's rows, without a filter in its plans", async () => {
    const app = new Client({ connectionString: test.applicationUrl });
    await app.connect();
    try {
      expect(await column(app, "SELECT count(*) FROM model")).toEqual(["3"]);
      const lines = await column(
        app,
        "EXPLAIN SELECT count(*) FROM prediction JOIN model_version ON id = model_version",
      );
      expect(lines.join("\n")).not.toMatch(/Filter|SubPlan|InitPlan/);
    } finally {
      await app.end();
    }
  });
});
