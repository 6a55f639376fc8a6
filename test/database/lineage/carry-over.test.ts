import { randomBytes } from "node:crypto";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { Client } from "pg";
import { afterAll, beforeAll, expect, inject, it } from "vitest";

import { openDatabase, type Database } from "../../../db/client.ts";
import { migrate } from "../../../db/migrate.ts";
import { loadGraph } from "../../../db/queries/lineage/load-graph.ts";

/** The edges of release 0.1.0, as its stages wrote them, and what this release makes of them. */
const applicationPassword = randomBytes(12).toString("hex");
const name = `carried_${randomBytes(5).toString("hex")}`;
let server: Client;
let admin: Client;
let adminUrl: string;
let folder: string;
/** Of the release before: it calls itself by no number. */
let older: Client;
let database: Database;

const EDGES: readonly (readonly [from: string, to: string, role: string])[] = [
  ["source/flights.parquet#1", "artifact/data", "snapshot"],
  ["artifact/data", "artifact/report", "validated"],
  ["artifact/report", "artifact/page", "rendered"],
  ["artifact/data", "artifact/bytes", "training-data"],
  ["lifecycle/lc-1", "artifact/bytes", "trained-by"],
  ["artifact/bytes", "model/m@1", "bytes"],
  ["artifact/data", "artifact/profile", "baseline"],
  ["model/m@1", "artifact/profile", "scored"],
  ["model/m@1", "artifact/small-report", "measured"],
  ["artifact/small", "model/m@2", "bytes"],
  ["model/m@1", "model/m@2", "optimized-from"],
  ["model/m@2", "evaluation/e", "evaluated"],
  ["artifact/test", "evaluation/e", "evaluation-data"],
  ["evaluation/e", "approval/a", "evidence"],
  ["model/m@2", "approval/a", "decided-on"],
  ["model/m@2", "rollout/r", "promoted"],
  ["model/m@2", "monitor/w", "watched"],
];

async function write(edges: typeof EDGES): Promise<void> {
  const insert = "INSERT INTO lineage_edge (from_ref, to_ref, role, lifecycle) VALUES ($1, $2, $3, 'lc-1')";
  for (const edge of edges) await older.query(insert, [...edge]);
}

beforeAll(async () => {
  server = new Client({ connectionString: inject("adminUrl") });
  await server.connect();
  await server.query(`CREATE DATABASE ${name}`);
  const url = new URL(inject("adminUrl"));
  url.pathname = `/${name}`;
  adminUrl = url.href;
  folder = await mkdtemp(join(tmpdir(), "modelwright-migrations-"));
  const present = fileURLToPath(new URL("../../../db/migrations/", import.meta.url));
  for (const file of (await readdir(present)).filter((one) => one < "0006"))
    await cp(join(present, file), join(folder, file));
  const { applicationUrl } = await migrate({ adminUrl, applicationPassword, migrations: pathToFileURL(`${folder}/`) });
  admin = new Client({ connectionString: adminUrl });
  await admin.connect();
  await admin.query(`SET session_replication_role = replica;
    INSERT INTO model (name, purpose) VALUES ('m', '');
    INSERT INTO lifecycle (id, model, spec, spec_digest, started_by) VALUES ('lc-1', 'm', '{}', repeat('0', 64), 'ada')`);
  older = new Client({ connectionString: applicationUrl, application_name: "modelwright" });
  await older.connect();
  await write(EDGES);
  database = openDatabase({ url: applicationUrl });
});
afterAll(async () => {
  await database.close();
  await admin.end();
  await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
  await server.end();
  await rm(folder, { recursive: true, force: true });
});

const upstream = async (ref: string) => await loadGraph(database, { refs: [ref], direction: "upstream" });

it("is carried over, and says that it may not be all while the release before still writes", async () => {
  const { heldBack } = await migrate({ adminUrl, applicationPassword });
  expect(heldBack.map((held) => held.name)).toContain("0013-lineage.contract.sql");
  const graph = await upstream("approval/a");
  expect(graph).toMatchObject({ complete: false, truncatedBy: "older-release" });
  expect(graph?.nodes.map(({ ref }) => ref).sort()).toEqual([
    "approval/a",
    "artifact/bytes",
    "artifact/data",
    "artifact/small",
    "artifact/test",
    "evaluation/e",
    "lifecycle/lc-1",
    "model/m@1",
    "model/m@2",
    "source/flights.parquet#1",
  ]);
  expect(graph?.used.map(({ ref, role }) => `${role} ${ref}`)).toContain("parent model/m@1");
  expect(new Set(graph?.executions.map(({ kind, label }) => `${kind} ${label}`))).toEqual(
    new Set(["carried-over lc-1"]),
  );
});

it("is the whole once that release is gone, with what it wrote in between", async () => {
  await write([
    ["monitor/w", "drift-check/d", "checked"],
    ["artifact/late", "model/m@2", "bytes"],
  ]);
  await older.end();
  expect((await migrate({ adminUrl, applicationPassword })).heldBack).toEqual([]);
  const graph = await upstream("drift-check/d");
  expect(graph).toMatchObject({ complete: true, truncatedBy: null });
  expect(graph?.nodes.map(({ ref }) => ref)).toContain("source/flights.parquet#1");
  expect((await upstream("model/m@2"))?.nodes.map(({ ref }) => ref)).toContain("artifact/late");
  const { rows } = await admin.query(
    "SELECT to_regclass('lineage_edge') AS left, count(*)::integer AS carried FROM used",
  );
  expect(rows).toEqual([{ left: null, carried: EDGES.length + 2 }]);
});
