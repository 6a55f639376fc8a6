import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";

import { Client } from "pg";
import { openDatabase } from "../db/client.ts";
import { migrate } from "../db/migrate.ts";
import { openPorts } from "../local/ports.ts";
import { startPostgres } from "../local/postgres.ts";
import { startReaper } from "../local/reaper.ts";
import type { GeneratedLineage } from "./lineage-data.ts";
import { measureLineage } from "./lineage-measures.ts";
import { measureAudit } from "./registry/audit-measures.ts";
import { measureBeside } from "./registry/beside-mlflow.ts";
import { generateAll } from "./registry/generate.ts";
import { createMlflowRegistry } from "./registry/mlflow-registry.ts";
import { startMlflow, type MlflowServer } from "./registry/mlflow-server.ts";
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
const server = { dataDir, env: {}, reaper, ports };
const applicationPassword = "benchmark";
try {
  say(`generating ${versions.toLocaleString("en")} versions, their lineage and as many audit events`);
  const began = performance.now();
  const lineage = await generateAll(server, versions, applicationPassword);
  const seconds = Math.round((performance.now() - began) / 1000);
  say(`${lineage.versionCount} versions, ${lineage.edgeCount} edges after ${seconds} s`);
  await measure(lineage);
} finally {
  await reaper.close();
  await rm(dataDir, { recursive: true, force: true });
}

async function measure(lineage: GeneratedLineage): Promise<void> {
  const postgres = await startPostgres(server);
  try {
    const { applicationUrl } = await migrate({ adminUrl: postgres.adminUrl, applicationPassword });
    const database = openDatabase({ url: applicationUrl, maximumConnections: 16 });
    try {
      await measureRegistry(database, versions);
      for (const { measure: what, value, aim } of await measureLineage(database, lineage)) {
        print({ measure: what, value, unit: "ms", peer: AIM, peerValue: aim });
      }
    } finally {
      await database.close();
    }
    await measureAudit(applicationUrl, versions);
    if (!values["without-peer"]) await besideMlflow(postgres.adminUrl);
  } finally {
    await postgres.stop();
  }
}

/** On databases of their own, both empty. */
async function besideMlflow(adminUrl: string): Promise<void> {
  const admin = new Client({ connectionString: adminUrl });
  await admin.connect();
  const databaseUrl = async (name: string): Promise<string> => {
    await admin.query(`CREATE DATABASE ${name}`);
    const url = new URL(adminUrl);
    url.pathname = `/${name}`;
    return url.href;
  };
  const { applicationUrl } = await migrate({ adminUrl: await databaseUrl("beside"), applicationPassword });
  const database = openDatabase({ url: applicationUrl, maximumConnections: 16 });
  let mlflow: MlflowServer | undefined;
  try {
    say("starting MLflow's server");
    mlflow = await startMlflow({
      databaseUrl: await databaseUrl("mlflow"),
      directory: dataDir,
      port: await ports.choose("mlflow"),
    });
    await measureBeside(createOwnRegistry(database, "own"), createMlflowRegistry(mlflow));
  } finally {
    await mlflow?.stop();
    await database.close();
    await admin.end();
  }
}
