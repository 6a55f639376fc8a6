import { createHash, randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";

import { Client, DatabaseError } from "pg";
import { inject } from "vitest";

import { openDatabase, type Database } from "../../db/client.ts";
import { migrate } from "../../db/migrate.ts";

export interface TestDatabase {
  /** As the application role: what the code under test gets. */
  readonly database: Database;
  readonly applicationUrl: string;
  /** As the owner, for looking behind the scenes and for tampering. */
  readonly admin: Client;
  readonly adminUrl: string;
  /** Closes both and drops the database. */
  close(): Promise<void>;
}

const OBJECT_IN_USE = "55006";

/** A migrated, empty database of its own, copied from a template that is made once a server. */
export async function createTestDatabase(serverUrl: string = inject("adminUrl")): Promise<TestDatabase> {
  const server = new Client({ connectionString: serverUrl });
  await server.connect();
  const template = await ensureTemplate(server, serverUrl);
  const name = `modelwright_test_${randomBytes(6).toString("hex")}`;
  await copyDatabase(server, template.name, name);
  const adminUrl = withDatabase(serverUrl, name);
  const applicationUrl = withDatabase(template.applicationUrl, name);
  const admin = new Client({ connectionString: adminUrl });
  await admin.connect();
  const database = openDatabase({ url: applicationUrl });
  return {
    database,
    applicationUrl,
    admin,
    adminUrl,
    close: async () => {
      await database.close();
      await admin.end();
      await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await server.end();
    },
  };
}

/** A server kept between runs may hold templates of other migrations, so the name tells which ones. */
async function ensureTemplate(server: Client, serverUrl: string): Promise<{ name: string; applicationUrl: string }> {
  const name = `modelwright_template_${(await migrationsDigest()).slice(0, 12)}`;
  // The same in every test process, and written nowhere.
  const applicationPassword = createHash("sha256").update(`tests ${serverUrl}`).digest("hex");
  await server.query("SELECT pg_advisory_lock(hashtext('modelwright test template'))");
  try {
    const found = await server.query("SELECT FROM pg_database WHERE datname = $1", [name]);
    if (found.rowCount === 0) await server.query(`CREATE DATABASE ${name}`);
    const { applicationUrl } = await migrate({ adminUrl: withDatabase(serverUrl, name), applicationPassword });
    return { name, applicationUrl };
  } finally {
    await server.query("SELECT pg_advisory_unlock(hashtext('modelwright test template'))");
  }
}

async function migrationsDigest(): Promise<string> {
  const folder = new URL("../../db/migrations/", import.meta.url);
  const hash = createHash("sha256");
  for (const name of (await readdir(folder)).sort()) hash.update(await readFile(new URL(name, folder)));
  return hash.digest("hex");
}

/** A template somebody is connected to cannot be copied; connections of other test files are over in moments. */
async function copyDatabase(server: Client, template: string, name: string): Promise<void> {
  for (let left = 100; ; left -= 1) {
    try {
      await server.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
      return;
    } catch (thrown) {
      if (left === 0 || !(thrown instanceof DatabaseError) || thrown.code !== OBJECT_IN_USE) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
