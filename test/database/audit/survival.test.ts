import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, it } from "vitest";

import { checkLog, signLog } from "../../../adapters/checkpoints/audit-log.ts";
import { loadNotes } from "../../../adapters/checkpoints/checkpoint-file.ts";
import { createNoteKey, loadPrivateKey } from "../../../adapters/checkpoints/note-key.ts";
import { openDatabase, type Database } from "../../../db/client.ts";
import { migrate } from "../../../db/migrate.ts";
import { recordAudit } from "../../../db/queries/audit.ts";
import { createAuditLog } from "../../../db/queries/audit-log.ts";
import { openPorts } from "../../../local/ports.ts";
import { startPostgres, type PostgresServer } from "../../../local/postgres.ts";
import { startReaper } from "../../../local/reaper.ts";

async function record(database: Database, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await database.transaction((tx) =>
      recordAudit(tx, {
        actor: "ada",
        subject: "lifecycle/äöü",
        body: { kind: "lifecycle-status", status: "waiting", outcome: `Grund ${index}: "wait"\n`, failureCode: null },
      }),
    );
  }
}

it("A3: what was hashed is what is stored: it verifies after a restart of Postgres", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "modelwright-survival-"));
  const reaper = startReaper();
  const ports = await openPorts(dataDir);
  const start = () => startPostgres({ dataDir, env: {}, reaper, ports });
  const path = join(dataDir, "checkpoints.txt");
  await createNoteKey(join(dataDir, "key"), "example.org/log");
  const key = await loadPrivateKey(join(dataDir, "key"));
  const applicationPassword = "survival";
  let server: PostgresServer = await start();
  let database: Database | undefined;
  try {
    const { applicationUrl } = await migrate({ adminUrl: server.adminUrl, applicationPassword });
    database = openDatabase({ url: applicationUrl });
    await record(database, 300);
    const signing = { path, key, formerKeys: [], whole: false };
    expect(await signLog(createAuditLog(database), signing)).toMatchObject({ checkpoints: [{ size: 300 }] });
    await database.close();

    await server.stop();
    server = await start();
    const restarted = await migrate({ adminUrl: server.adminUrl, applicationPassword });
    database = openDatabase({ url: restarted.applicationUrl });
    await record(database, 5);
    const anchored = async () => ({ notes: await loadNotes(path), keys: [key] });
    expect(await checkLog(createAuditLog(database), await anchored())).toMatchObject({ events: 305 });
    expect(await signLog(createAuditLog(database), signing)).toMatchObject({ checkpoints: [{ size: 305 }] });
  } finally {
    await database?.close();
    await server.stop();
    await reaper.close();
    await rm(dataDir, { recursive: true, force: true });
  }
});
