import { randomBytes } from "node:crypto";

import { Client, escapeIdentifier } from "pg";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";

import { openDatabase } from "../../db/client.ts";
import { migrate } from "../../db/migrate.ts";
import { verifyAudit } from "../../db/queries/audit-log.ts";
import { refusePowerfulRole } from "../../db/refuse-powerful-role.ts";
import { openDatabaseAccess } from "../../local/database-access.ts";
import { GROUPS } from "../../db/roles.ts";
import { addEndpoint, addEvaluation, addVersion } from "./sample.ts";

const applicationPassword = randomBytes(12).toString("hex");
const databases: string[] = [];
let server: Client;

beforeAll(async () => {
  server = new Client({ connectionString: inject("adminUrl") });
  await server.connect();
});

afterAll(async () => {
  for (const name of databases) {
    const { rows } = await server.query<{ role: string }>(
      `SELECT rolname AS role FROM pg_database, aclexplode(datacl) JOIN pg_roles ON pg_roles.oid = grantee
       WHERE datname = $1 AND rolname LIKE 'modelwright_app_%'`,
      [name],
    );
    await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
    for (const { role } of rows) await server.query(`DROP ROLE ${escapeIdentifier(role)}`);
  }
  await server.end();
});

async function emptyDatabase(): Promise<string> {
  const name = `migrate_${randomBytes(5).toString("hex")}`;
  await server.query(`CREATE DATABASE ${name}`);
  databases.push(name);
  const url = new URL(inject("adminUrl"));
  url.pathname = `/${name}`;
  return url.href;
}

async function ask<Row extends object>(url: string, statement: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(statement)).rows;
  } finally {
    await client.end();
  }
}

describe("migrate", () => {
  it("gives a role that is no superuser, owns nothing and can create nothing", async () => {
    const { applicationUrl } = await migrate({ adminUrl: await emptyDatabase(), applicationPassword });
    const [role] = await ask<{ super: boolean; owned: number; creates: boolean; bypasses: boolean }>(
      applicationUrl,
      `SELECT rolsuper AS super, rolbypassrls AS bypasses,
         (SELECT count(*)::int FROM pg_class WHERE pg_has_role(current_user, relowner, 'USAGE')) AS owned,
         has_schema_privilege('public', 'CREATE') OR has_database_privilege(current_database(), 'CREATE') AS creates
       FROM pg_roles WHERE rolname = current_user`,
    );
    expect(role).toEqual({ super: false, owned: 0, creates: false, bypasses: false });
  });

  it("needs no superuser: who owns the database and may create roles is enough, as where Postgres is a service", async () => {
    const url = new URL(await emptyDatabase());
    const keeper = `keeper_${randomBytes(5).toString("hex")}`;
    await server.query(`CREATE ROLE ${keeper} LOGIN CREATEROLE PASSWORD 'keeps'`);
    await server.query(`ALTER DATABASE ${url.pathname.slice(1)} OWNER TO ${keeper}`);
    // Other databases of this server made the groups before; on a server of its own the keeper would have made them.
    for (const group of Object.values(GROUPS))
      await server.query(`GRANT ${group} TO ${keeper} WITH ADMIN OPTION, INHERIT FALSE`);
    url.username = keeper;
    url.password = "keeps";
    const { applicationUrl, heldBack } = await migrate({ adminUrl: url.href, applicationPassword });
    expect(heldBack).toEqual([]);
    await migrate({ adminUrl: url.href, applicationPassword });
    const database = openDatabase({ url: applicationUrl });
    try {
      await refusePowerfulRole(database);
      const version = await addVersion(database, "flights", "weights");
      await addEvaluation(database, version);
      await addEndpoint(database, "live", "flights", "staging");
      const access = openDatabaseAccess({ DATABASE_ADMIN_URL: url.href });
      const name = randomBytes(5).toString("hex");
      const auditor = { name, role: "auditor", by: "ada", reason: "yearly audit" } as const;
      const { address } = await access.createLogin({ ...auditor, teams: [] });
      expect(await ask(address, "SELECT name FROM model")).toEqual([{ name: "flights" }]);
      await access.removeLogin(auditor);
      await expect(ask(address, "SELECT")).rejects.toMatchObject({ code: "28P01" });
      await access.close();
      expect(await verifyAudit(database)).toMatchObject({ ok: true });
    } finally {
      await database.close();
    }
  });

  it("does the same when several processes migrate one empty database at once", async () => {
    const adminUrl = await emptyDatabase();
    const urls = await Promise.all([1, 2, 3, 4].map(() => migrate({ adminUrl, applicationPassword })));
    expect(new Set(urls.map(({ applicationUrl }) => applicationUrl)).size).toBe(1);
    const applied = await ask<{ name: string }>(adminUrl, "SELECT name FROM schema_migration ORDER BY name");
    expect(applied.map(({ name }) => name)[0]).toBe("0001-registry.sql");
    expect(new Set(applied.map(({ name }) => name)).size).toBe(applied.length);
  });

  it("migrates several databases of one server at once", async () => {
    const urls = [await emptyDatabase(), await emptyDatabase(), await emptyDatabase()];
    const migrated = await Promise.all(urls.map((adminUrl) => migrate({ adminUrl, applicationPassword })));
    for (const { applicationUrl } of migrated) {
      expect(await ask(applicationUrl, "SELECT name FROM environment WHERE requires_evidence")).toEqual([
        { name: "production" },
      ]);
    }
  });

  it("refuses a database whose applied migration has other contents", async () => {
    const adminUrl = await emptyDatabase();
    await migrate({ adminUrl, applicationPassword });
    await ask(adminUrl, "UPDATE schema_migration SET checksum = 'other' WHERE name = '0002-serving.sql'");
    await expect(migrate({ adminUrl, applicationPassword })).rejects.toMatchObject({
      code: "STACK_NOT_STARTED",
      message: expect.stringContaining("0002-serving.sql was applied with other contents"),
    });
  });

  it("refuses a database of a newer release", async () => {
    const adminUrl = await emptyDatabase();
    await migrate({ adminUrl, applicationPassword });
    await ask(adminUrl, "INSERT INTO schema_migration (name, checksum) VALUES ('9999-later.sql', '')");
    await expect(migrate({ adminUrl, applicationPassword })).rejects.toMatchObject({ code: "STACK_NOT_STARTED" });
  });

  it("gives two databases with long, alike names two roles", async () => {
    const long = `migrate_${"x".repeat(50)}`;
    const roles = [];
    for (const name of [`${long}_a`, `${long}_b`]) {
      await server.query(`CREATE DATABASE ${name}`);
      databases.push(name);
      const url = new URL(inject("adminUrl"));
      url.pathname = `/${name}`;
      const { applicationUrl } = await migrate({ adminUrl: url.href, applicationPassword });
      roles.push(...(await ask<{ role: string }>(applicationUrl, "SELECT current_user AS role")));
    }
    expect(new Set(roles.map(({ role }) => role)).size).toBe(2);
  });

  it("lets nobody connect to the database with a wrong password, nor another login role at all", async () => {
    const first = await migrate({ adminUrl: await emptyDatabase(), applicationPassword });
    const second = await migrate({ adminUrl: await emptyDatabase(), applicationPassword });
    const wrong = new URL(first.applicationUrl);
    wrong.password = "wrong";
    await expect(ask(wrong.href, "SELECT 1")).rejects.toMatchObject({ code: "28P01" });
    const crossed = new URL(first.applicationUrl);
    crossed.pathname = new URL(second.applicationUrl).pathname;
    await expect(ask(crossed.href, "SELECT 1")).rejects.toMatchObject({ code: "42501" });
  });
});
