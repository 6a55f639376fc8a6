import { randomBytes } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { Client } from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from "vitest";

import { openDatabase, type Database } from "../../db/client.ts";
import { migrate } from "../../db/migrate.ts";
import { verifyAudit } from "../../db/queries/audit-log.ts";
import { explainPrediction } from "../../db/queries/explain.ts";
import { MIGRATIONS } from "../../db/release.ts";
import { schemaOf } from "../support/schema.ts";

/** What a release left behind; test/fixtures/releases/make.ts made it. */
interface Release {
  readonly newest: string;
  /** Rows of a small life by table. */
  readonly rows: Readonly<Record<string, readonly object[]>>;
  readonly asked: { readonly predictionIds: readonly string[] };
  /** That release's own code. */
  open(url: string): { close(): Promise<void> };
  live(database: object, id: string): Promise<{ readonly predictionIds: readonly string[] }>;
}

const applicationPassword = randomBytes(12).toString("hex");
const databases: string[] = [];
const open: { close(): Promise<void> }[] = [];
let server: Client;
let folder: string;
let release: Release;

beforeAll(async () => {
  server = new Client({ connectionString: inject("adminUrl") });
  await server.connect();
  folder = await mkdtemp(join(tmpdir(), "modelwright-migrations-"));
  release = await loadRelease("0.1.0", "0005");
});
afterEach(async () => {
  for (const closing of open.splice(0)) await closing.close();
});
afterAll(async () => {
  for (const name of databases) {
    await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await server.query(`DROP ROLE IF EXISTS modelwright_app_${name}`);
  }
  await server.end();
  await rm(folder, { recursive: true });
});

async function loadRelease(version: string, newest: string): Promise<Release> {
  const at = new URL(`../fixtures/releases/${version}/`, import.meta.url);
  const kept = JSON.parse(await readFile(new URL("rows.json", at), "utf8")) as Pick<Release, "rows" | "asked">;
  const code = (await import(new URL("life.bundle.mjs", at).href)) as Pick<Release, "open" | "live">;
  return { newest, ...kept, open: code.open, live: code.live };
}

/** A folder with the migrations up to `newest`, and further ones. */
async function migrationsUpTo(newest: string, further: Readonly<Record<string, string>> = {}): Promise<URL> {
  const path = join(folder, randomBytes(5).toString("hex"));
  await mkdir(path);
  for (const name of await readdir(MIGRATIONS)) {
    if (name.slice(0, 4) <= newest) await cp(new URL(name, MIGRATIONS), join(path, name));
  }
  for (const [name, text] of Object.entries(further)) await writeFile(join(path, name), text);
  return new URL(`${pathToFileURL(path).href}/`);
}

/** A database as the release made it: its schema, its application role, and its rows if asked for. */
async function databaseOf({ newest, rows }: Release, withRows = true) {
  const name = `release_${randomBytes(5).toString("hex")}`;
  await server.query(`CREATE DATABASE ${name}`);
  databases.push(name);
  const url = new URL(inject("adminUrl"));
  url.pathname = `/${name}`;
  const adminUrl = url.href;
  const { applicationUrl } = await migrate({
    adminUrl,
    applicationPassword,
    migrations: await migrationsUpTo(newest),
  });
  if (withRows) {
    await asOwner(adminUrl, async (owner) => {
      await owner.query("SET session_replication_role = replica");
      // What the migrations themselves put there is among the rows.
      await owner.query("DELETE FROM environment");
      for (const [table, given] of Object.entries(rows)) {
        await owner.query(`INSERT INTO ${table} SELECT * FROM jsonb_populate_recordset(NULL::${table}, $1)`, [
          JSON.stringify(given),
        ]);
      }
    });
  }
  return {
    adminUrl,
    applicationUrl,
    forward: (migrations = MIGRATIONS) => migrate({ adminUrl, applicationPassword, migrations }),
  };
}

async function asOwner<Result>(url: string, work: (owner: Client) => Promise<Result>): Promise<Result> {
  const owner = new Client({ connectionString: url });
  await owner.connect();
  try {
    return await work(owner);
  } finally {
    await owner.end();
  }
}

function connect(url: string): Database {
  const database = openDatabase({ url });
  open.push(database);
  return database;
}

const schemaAt = (url: string) => asOwner(url, schemaOf);

describe("from the schema and rows of release 0.1.0, forward", () => {
  it("keeps every row as it was, and its log verifies", async () => {
    const { adminUrl, forward } = await databaseOf(release);
    const { applicationUrl, heldBack } = await forward();
    expect(heldBack).toEqual([]);
    await asOwner(adminUrl, async (owner) => {
      // Edges have become executions; test/database/lineage.test.ts tells how.
      for (const [table, given] of Object.entries(release.rows).filter(([name]) => name !== "lineage_edge")) {
        for (const row of given) {
          const found = await owner.query(`SELECT FROM ${table} AS kept WHERE to_jsonb(kept) @> $1`, [
            JSON.stringify(row),
          ]);
          expect([table, row, found.rowCount]).toEqual([table, row, 1]);
        }
      }
    });
    const database = connect(applicationUrl);
    const events = release.rows["audit_event"]?.length ?? 0;
    expect(events).toBeGreaterThan(10);
    expect(await verifyAudit(database)).toMatchObject({ ok: true, events });
    for (const id of release.asked.predictionIds) {
      const found = await explainPrediction(database, id);
      expect(found?.evaluation?.verdict).toBe("pass");
    }
  });

  it("ends in the schema that an empty database gets", async () => {
    const [grown, fresh] = [await databaseOf(release), await databaseOf(release, false)];
    await grown.forward();
    await fresh.forward();
    expect(await schemaAt(grown.adminUrl)).toEqual(await schemaAt(fresh.adminUrl));
  });

  it("while the application of that release is at work, whose statements all succeed, and what they need is held back", async () => {
    const { adminUrl, applicationUrl, forward } = await databaseOf(release);
    const former = release.open(applicationUrl);
    const lives: string[] = [];
    const failures: unknown[] = [];
    let migrated = false;
    const atWork = [1, 2, 3].map(async (worker) => {
      for (let round = 0, after = 0; after < 2; round += 1) {
        if (migrated) after += 1;
        await release.live(former, `w${worker}-${round}`).then(
          () => lives.push(`${worker}/${round}`),
          (thrown: unknown) => failures.push(thrown),
        );
        if (failures.length > 0) return;
      }
    });
    await expect.poll(() => lives.length + failures.length, { timeout: 30_000 }).toBeGreaterThan(1);
    const { heldBack } = await forward();
    migrated = true;
    await Promise.all(atWork);
    expect(failures).toEqual([]);
    expect(heldBack.map(({ name }) => name)).toContain("0012-access.contract.sql");
    expect(new Set(heldBack.flatMap(({ by }) => by.map((session) => session.split(" ")[0])))).toEqual(
      new Set(["modelwright"]),
    );
    // This release works on the same schema, beside it.
    const { rows } = await asOwner(adminUrl, (owner) =>
      owner.query<{ count: number }>("SELECT count(*)::int AS count FROM lifecycle WHERE status = 'completed'"),
    );
    expect(rows[0]?.count).toBe(lives.length + 1);
    expect(await verifyAudit(connect(applicationUrl))).toMatchObject({ ok: true });

    await former.close();
    expect((await forward()).heldBack).toEqual([]);
    const late = release.open(applicationUrl);
    open.push(late);
    await expect(release.live(late, "late")).rejects.toMatchObject({ cause: { code: "42501" } });
    // Attempt by attempt it learns the order of the application's locks; on a busy machine that takes its time.
  }, 120_000);
});

describe("a migration", () => {
  it("that fails leaves the schema before it whole, and the application at work on it", async () => {
    const { adminUrl, applicationUrl, forward } = await databaseOf(release);
    const before = await schemaAt(adminUrl);
    const poisoned = await migrationsUpTo(release.newest, {
      "0006-poisoned.sql":
        "ALTER TABLE model ADD COLUMN half text; DROP TABLE feedback_conflict; REVOKE ALL ON model FROM modelwright_application; SELECT 1 / 0;",
    });
    await expect(forward(poisoned)).rejects.toMatchObject({
      code: "STACK_NOT_STARTED",
      message: expect.stringMatching(/0006-poisoned.sql failed \(division by zero\).*nothing of it was applied/),
    });
    expect(await schemaAt(adminUrl)).toEqual(before);
    const former = release.open(applicationUrl);
    open.push(former);
    await release.live(former, "after-the-poison");
  });

  it("that fails keeps those that came before it in the same run", async () => {
    const { adminUrl, forward } = await databaseOf(release, false);
    const folderOfThree = await migrationsUpTo(release.newest, {
      "0006-good.sql": "CREATE TABLE good ();",
      "0007-poisoned.sql": "CREATE TABLE bad (); SELECT nothing_like_that();",
      "0008-never.sql": "CREATE TABLE never ();",
    });
    await expect(forward(folderOfThree)).rejects.toMatchObject({ code: "STACK_NOT_STARTED" });
    const { rows } = await asOwner(adminUrl, (owner) =>
      owner.query(
        "SELECT to_regclass('good') IS NOT NULL AS good, to_regclass('bad') AS bad, to_regclass('never') AS never",
      ),
    );
    expect(rows).toEqual([{ good: true, bad: null, never: null }]);
  });

  it("that gets no lock steps back, lets others through meanwhile, and tries again", async () => {
    const { adminUrl, forward } = await databaseOf(release, false);
    const added = await migrationsUpTo(release.newest, {
      "0006-added.sql": "ALTER TABLE model ADD COLUMN added text;",
    });
    await asOwner(adminUrl, async (holder) => {
      await holder.query("BEGIN; SELECT FROM model");
      const migrating = forward(added);
      await asOwner(adminUrl, async (other) => {
        // In this database: the server has others, with tests of their own.
        const waiting = `SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
          WHERE NOT granted AND datname = current_database()`;
        await expect.poll(async () => (await other.query(waiting)).rowCount, { interval: 20, timeout: 30_000 }).toBe(1);
        // Queued behind the migration, which does not wait for ever.
        await other.query("INSERT INTO model (name, purpose) VALUES ('let-through', '')");
      });
      await holder.query("COMMIT");
      await migrating;
      await holder.query("SELECT added FROM model");
    });
  });
});
