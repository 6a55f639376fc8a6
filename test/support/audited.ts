import type { Client } from "pg";
import type { Database } from "../../db/client.ts";
import { recordAudit } from "../../db/queries/audit.ts";

/**
 * A database whose every transaction records an audit event at its end: for fixtures, which write governed rows that nobody did. Code
 * under test gets the database itself, or it would not be seen to forget its own.
 */
export const audited = (database: Database): Database =>
  Object.create(database, {
    transaction: {
      value: ((work, config) =>
        database.transaction(async (tx) => {
          const result = await work(tx);
          if (config?.accessMode !== "read only") {
            await recordAudit(tx, {
              stream: "fixtures",
              actor: "fixture",
              subject: "fixture/1",
              body: { kind: "lifecycle-status", status: "running", outcome: null, failureCode: null },
            });
          }
          return result;
        }, config)) satisfies Database["transaction"],
    },
  }) as Database;

/** The same for a transaction of plain SQL. Its bytes are not canonical, so nothing may verify that stream. */
export async function recordFixtureEvent(client: Client): Promise<void> {
  await client.query(
    `SELECT append_audit_event('statements', seq + 1, convert_to(jsonb_build_object('stream', 'statements', 'seq', seq + 1,
       'at', at, 'actor', 'fixture', 'subject', 'fixture/1', 'body', jsonb_build_object('kind', 'fixture'))::text, 'UTF8'))
     FROM lock_audit_head('statements')`,
  );
}
