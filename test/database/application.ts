import { Client } from "pg";

import { recordFixtureEvent } from "../support/audited.ts";
import type { TestDatabase } from "../support/database.ts";
import { refusalOf } from "./refusal.ts";

/** A statement and its values. */
export type Statement = readonly [text: string, values?: readonly unknown[]];

/** The recording of rows, as the application does it. */
export const record = (table: string, ...rows: readonly object[]): Statement => [
  `SELECT * FROM record_${table}($1::jsonb)`,
  [JSON.stringify(rows)],
];

/** Somebody who holds the application's login and sends what he likes, past all our code: only the database can refuse him. */
export interface Application {
  readonly client: Client;
  /** Sends one statement; what it is refused with, or `(accepted)`. */
  refusal(statement: string, values?: readonly unknown[]): Promise<string>;
  /** Sends one transaction with an audit event at its end; what it is refused with, or `(accepted)`. Nothing of it stays. */
  trial(...statements: readonly Statement[]): Promise<string>;
  /** The same, to stay; returns the rows of the last statement and fails when it is refused. */
  write<Row extends object>(...statements: readonly Statement[]): Promise<Row[]>;
  close(): Promise<void>;
}

export async function connectApplication(test: TestDatabase): Promise<Application> {
  const client = new Client({ connectionString: test.applicationUrl });
  await client.connect();
  const send = async <Row extends object>(statements: readonly Statement[]): Promise<Row[]> => {
    let rows: Row[] = [];
    for (const [text, values = []] of statements) rows = (await client.query<Row>(text, [...values])).rows;
    await recordFixtureEvent(client);
    // What is checked at the end of the transaction is checked now.
    await client.query("SET CONSTRAINTS ALL IMMEDIATE");
    return rows;
  };
  return {
    client,
    refusal: async (statement, values = []) => await refusalOf(client.query(statement, [...values])),
    trial: async (...statements) => {
      await client.query("BEGIN");
      const refusal = await refusalOf(send(statements));
      await client.query("ROLLBACK");
      return refusal;
    },
    write: async (...statements) => {
      await client.query("BEGIN");
      try {
        const rows = await send(statements);
        await client.query("COMMIT");
        return rows as never;
      } catch (thrown) {
        await client.query("ROLLBACK");
        throw thrown;
      }
    },
    close: async () => await client.end(),
  };
}
