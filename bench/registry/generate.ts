import { Client } from "pg";

import { migrate } from "../../db/migrate.ts";
import { startPostgres, type PostgresOptions } from "../../local/postgres.ts";
import { generateAuditEvents } from "../audit-data.ts";
import { generateLineage, type GeneratedLineage } from "../lineage-data.ts";
import { generateRegistry } from "../registry-data.ts";

/** For loading alone: with the settings it is measured with, a million versions would take four times as long. */
const LOADING = {
  autovacuum: "off",
  checkpoint_timeout: "1h",
  full_page_writes: "off",
  maintenance_work_mem: "1GB",
  max_wal_senders: "0",
  max_wal_size: "32GB",
  shared_buffers: "1GB",
  synchronous_commit: "off",
  wal_level: "minimal",
  work_mem: "256MB",
};

/** Fills a new server's database with versions, their lineage and as many audit events, and stops the server. */
export async function generateAll(
  server: Omit<PostgresOptions, "settings">,
  versions: number,
  applicationPassword: string,
): Promise<GeneratedLineage> {
  const postgres = await startPostgres({ ...server, settings: LOADING });
  try {
    await migrate({ adminUrl: postgres.adminUrl, applicationPassword });
    const [admin, auditor] = [new Client(postgres.adminUrl), new Client(postgres.adminUrl)];
    await Promise.all([admin.connect(), auditor.connect()]);
    const registered = generateRegistry(admin, { models: Math.max(1, Math.floor(versions / 1000)), versions });
    const [lineage] = await Promise.all([
      registered.then(() => generateLineage(admin)),
      generateAuditEvents(auditor, versions),
    ]);
    // So that stopping has nothing left to write, and what is measured then runs against a disk at rest.
    await admin.query("CHECKPOINT");
    await Promise.all([admin.end(), auditor.end()]);
    return lineage;
  } finally {
    await postgres.stop();
  }
}
