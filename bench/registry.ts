import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { Client } from "pg";
import { migrate } from "../db/migrate.ts";
import { openPorts } from "../local/ports.ts";
import { startPostgres } from "../local/postgres.ts";
import { startReaper } from "../local/reaper.ts";
import { measureAudit } from "./registry/audit-measures.ts";

/**
 * `npm run bench -- registry [--events N]`: the audit log at a million events unless told less, on an embedded Postgres with the settings
 * of a local stack. One JSON line a measure.
 */
const { values } = parseArgs({
  args: process.argv.slice(3),
  options: { events: { type: "string", default: "1000000" } },
});
const events = Number(values.events);
if (!Number.isSafeInteger(events) || events < 1000) {
  throw new Error(`--events ${values.events}: a whole number of at least 1000`);
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
  try {
    say("generating audit events");
    await measureAudit({ admin, applicationUrl }, events);
  } finally {
    await admin.end();
  }
} finally {
  await postgres.stop();
  await reaper.close();
  await rm(dataDir, { recursive: true, force: true });
}
