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

/** The same for a transaction of plain SQL. Its kind is none of the contract's. */
export async function recordFixtureEvent(client: Client): Promise<void> {
  await client.query(`SELECT record_audit('statements', 'service/fixture', NULL, 'fixture/1', '{"kind":"fixture"}')`);
}
