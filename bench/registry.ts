import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { Client } from "pg";
import { openDatabase } from "../db/client.ts";
import { migrate } from "../db/migrate.ts";
import { openPorts } from "../local/ports.ts";
import { startPostgres } from "../local/postgres.ts";
import { startReaper } from "../local/reaper.ts";
import { generateLineage } from "./lineage-data.ts";
import { measureLineage } from "./lineage-measures.ts";
import { generateRegistry } from "./registry-data.ts";
import { measureAudit } from "./registry/audit-measures.ts";
import { measureBeside } from "./registry/beside-mlflow.ts";
import { createMlflowRegistry } from "./registry/mlflow-registry.ts";
import { startMlflow } from "./registry/mlflow-server.ts";
import { createOwnRegistry } from "./registry/own-registry.ts";
import { measureRegistry } from "./registry/search-measures.ts";
import { AIM, print } from "./registry/timing.ts";

/**
 * `npm run bench -- registry [--versions N] [--without-peer]`: registry, lineage and audit at a million versions, five million edges and a
 * million audit events unless told less, on an embedded Postgres with the settings of a local stack; then beside an MLflow server from
 * PyPI on the same Postgres. One JSON line a measure.
 */
const { values } = parseArgs({
  args: process.argv.slice(3),
  options: { versions: { type: "string", default: "1000000" }, "without-peer": { type: "boolean", default: false } },
});
const versions = Number(values.versions);
if (!Number.isSafeInteger(versions) || versions < 1000) {
  throw new Error(`--versions ${values.versions}: a whole number of at least 1000`);
}
const say = (line: string) => void process.stderr.write(`${line}\n`);

const dataDir = await mkdtemp(join(tmpdir(), "modelwright-bench-registry-"));
const reaper = startReaper();
const ports = await openPorts(dataDir);
const postgres = await startPostgres({ dataDir, env: {}, reaper, ports });
const applicationPassword = "benchmark";
try {
  const { applicationUrl } = await migrate({ adminUrl: postgres.adminUrl, applicationPassword });
  const admin = new Client({ connectionString: postgres.adminUrl });
  await admin.connect();
  const database = openDatabase({ url: applicationUrl, maximumConnections: 16 });
  try {
    say(`generating ${versions.toLocaleString("en")} versions`);
    await generateRegistry(admin, { models: Math.max(1, Math.floor(versions / 1000)), versions });
    await measureRegistry(database, versions);
    say("generating their lineage");
    const lineage = await generateLineage(admin);
    say(`${lineage.versionCount} versions, ${lineage.edgeCount} edges`);
    for (const { measure, value, aim } of await measureLineage(database, lineage)) {
      print({ measure, value, unit: "ms", peer: AIM, peerValue: aim });
    }
    say("generating audit events");
    await measureAudit({ admin, applicationUrl }, versions);
    if (!values["without-peer"]) await besideMlflow();
  } finally {
    await database.close();
    await admin.end();
  }
} finally {
  await postgres.stop();
  await reaper.close();
  await rm(dataDir, { recursive: true, force: true });
}

/** On databases of their own, both empty. */
async function besideMlflow(): Promise<void> {
  const server = new Client({ connectionString: postgres.adminUrl });
  await server.connect();
  const databaseUrl = async (name: string): Promise<string> => {
    await server.query(`CREATE DATABASE ${name}`);
    const url = new URL(postgres.adminUrl);
    url.pathname = `/${name}`;
    return url.href;
  };
  const { applicationUrl } = await migrate({ adminUrl: await databaseUrl("beside"), applicationPassword });
  const database = openDatabase({ url: applicationUrl, maximumConnections: 16 });
  say("starting MLflow's server");
  const port = await ports.choose("mlflow");
  const mlflow = await startMlflow({ databaseUrl: await databaseUrl("mlflow"), directory: dataDir, port });
  try {
    await measureBeside(createOwnRegistry(database, "own"), createMlflowRegistry(mlflow));
  } finally {
    await mlflow.stop();
    await database.close();
    await server.end();
  }
}
