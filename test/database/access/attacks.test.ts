import { Client, escapeIdentifier } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { openDatabase } from "../../../db/client.ts";
import { createId } from "../../../db/identifiers.ts";
import { refusePowerfulRole } from "../../../db/refuse-powerful-role.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { connectApplication, type Application } from "../application.ts";
import { APPEND_ONLY, PERMISSION_DENIED, refusalOf } from "../refusal.ts";

/** Attacks A8 and A9 of those that hash chains in Postgres are known to fall to; A1 to A7 are in audit/, A10 is in rights.test.ts. */
let test: TestDatabase;
let app: Application;
const roles: string[] = [];

beforeAll(async () => {
  test = await createTestDatabase();
  app = await connectApplication(test);
});
afterAll(async () => {
  await app.close();
  for (const role of roles.reverse()) {
    await test.admin.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
  await test.close();
});

describe("A8: TRUNCATE and other ways past a trigger of rows", () => {
  it("are refused on every append-only table, to the application and to an accident of the owner", async () => {
    const { rows } = await test.admin.query<{ table: string }>(
      `SELECT tgrelid::regclass::text AS "table" FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
       WHERE tgname = 'append_only' AND NOT relispartition ORDER BY 1`,
    );
    expect(rows.length).toBeGreaterThanOrEqual(18);
    for (const { table } of rows) {
      for (const statement of [
        `TRUNCATE ${table} CASCADE`,
        `DELETE FROM ${table}`,
        `DELETE FROM ${table} WHERE false`,
      ]) {
        expect([statement, await app.refusal(statement)]).toEqual([statement, PERMISSION_DENIED]);
        expect([statement, await refusalOf(test.admin.query(statement))]).toEqual([statement, APPEND_ONLY]);
      }
    }
  });

  it("are refused on every governed table, so that a table is not emptied because its rows may change", async () => {
    const { rows } = await test.admin.query<{ table: string }>(
      `SELECT DISTINCT tgrelid::regclass::text AS "table" FROM pg_trigger WHERE tgfoid = 'require_audit_event'::regproc
         AND tgname = 'written_with_audit_event'`,
    );
    expect(rows.length).toBeGreaterThanOrEqual(10);
    for (const { table } of rows) {
      const statement = `TRUNCATE ${table} CASCADE`;
      expect([statement, await refusalOf(test.admin.query(statement))]).toEqual([statement, APPEND_ONLY]);
      expect([statement, await app.refusal(statement)]).toEqual([statement, PERMISSION_DENIED]);
    }
  });

  it("by a partition of the prediction log are refused to the application", async () => {
    const { rows } = await test.admin.query<{ name: string }>(
      "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'prediction'::regclass",
    );
    expect(rows.length).toBeGreaterThan(0);
    for (const { name } of rows) {
      for (const statement of [
        `TRUNCATE ${name}`,
        `DELETE FROM ${name}`,
        `INSERT INTO ${name} SELECT * FROM ${name}`,
      ]) {
        expect([statement, await app.refusal(statement)]).toEqual([statement, PERMISSION_DENIED]);
        const copying = `SET LOCAL ROLE modelwright_log; ${statement}`;
        expect([copying, await app.refusal(copying)]).toEqual([copying, PERMISSION_DENIED]);
      }
    }
  });
});

describe("A9: a role that could switch triggers off", () => {
  it("is not the application's", async () => {
    for (const statement of [
      "ALTER TABLE audit_event DISABLE TRIGGER ALL",
      "SET session_replication_role = replica",
      "DROP TABLE routing_epoch CASCADE",
      "DROP FUNCTION refuse_change() CASCADE",
      "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
      "SELECT make_append_only('model')",
      "SELECT make_recorded('audit_event')",
      "ALTER TABLE model DISABLE ROW LEVEL SECURITY",
      "CREATE POLICY mine ON model USING (true)",
      "SET ROLE postgres",
    ]) {
      expect([statement, await app.refusal(statement)]).not.toContain("(accepted)");
    }
    await expect(refusePowerfulRole(test.database)).resolves.toBeUndefined();
  });

  /** Makes a login by the statements, `%` standing for it, and tells how a start as that login ends. */
  async function startAs(...statements: string[]): Promise<unknown> {
    const role = `attacker_${createId().slice(-12)}`;
    const name = escapeIdentifier(role);
    await test.admin.query(`CREATE ROLE ${name} LOGIN PASSWORD 'attacker'`);
    roles.push(name);
    for (const statement of statements) await test.admin.query(statement.replaceAll("%", name));
    const url = new URL(test.adminUrl);
    url.username = role;
    url.password = "attacker";
    const database = openDatabase({ url: url.href, maximumConnections: 1 });
    try {
      return await refusePowerfulRole(database).then(
        () => "started",
        (thrown: unknown) => (thrown instanceof Error ? thrown.message : thrown),
      );
    } finally {
      await database.close();
    }
  }
  const asApplication = "GRANT modelwright_application TO %";

  it("is refused at the start: a superuser", async () => {
    const owner = openDatabase({ url: test.adminUrl, maximumConnections: 1 });
    await expect(refusePowerfulRole(owner)).rejects.toMatchObject({
      code: "ROLE_TOO_POWERFUL",
      message: expect.stringMatching(/is a superuser.*owns \d+ tables.*set DATABASE_URL/),
    });
    await owner.close();
  });

  it("is refused at the start: one that bypasses row security, or may act as one that does", async () => {
    expect(await startAs(asApplication, "ALTER ROLE % BYPASSRLS")).toMatch(/it bypasses row security/);
    const [bypassing] = roles.slice(-1);
    expect(await startAs(asApplication, `GRANT ${bypassing} TO % WITH INHERIT FALSE`)).toMatch(
      /may act as attacker_\w+, which bypasses row security/,
    );
  });

  it("is refused at the start: the owner of a table, or a member of the owner", async () => {
    expect(await startAs(asApplication, "CREATE TABLE left_over ()", "ALTER TABLE left_over OWNER TO %")).toMatch(
      /owns 1 tables, as left_over/,
    );
    const [owner] = roles.slice(-1);
    expect(await startAs(asApplication, `GRANT ${owner} TO %`)).toMatch(/owns 1 tables, as left_over/);
    await test.admin.query("DROP TABLE left_over");
  });

  it("is refused at the start: one that may write a table past the functions", async () => {
    for (const right of ["INSERT", "UPDATE (purpose)", "DELETE", "TRUNCATE"]) {
      expect([right, await startAs(asApplication, `GRANT ${right} ON model TO %`)]).toEqual([
        right,
        expect.stringMatching(/may write 1 tables itself, as model/),
      ]);
    }
    expect(await startAs(asApplication)).toBe("started");
  });
});

it("nobody but the owner may do the owner's work, even when he owns no more than a login", async () => {
  const stranger = new Client({ connectionString: test.applicationUrl });
  await stranger.connect();
  expect(await refusalOf(stranger.query("INSERT INTO schema_migration VALUES ('9999-x.sql', '')"))).toBe(
    PERMISSION_DENIED,
  );
  await stranger.end();
});
