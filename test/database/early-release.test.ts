import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { ensureModel } from "../../db/queries/model.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
  // The tests' server waits for no disk.
  await test.admin.query(`ALTER DATABASE ${new URL(test.adminUrl).pathname.slice(1)} SET synchronous_commit = on`);
});
afterAll(() => test.close());

describe("a transaction with early lock release", () => {
  it("does not make others wait for the disk at its commit, and waits itself before it answers", async () => {
    const { database } = test;
    const written = await database.earlyRelease.transaction(async (tx) => {
      await ensureModel(tx, "early");
      const { rows } = await tx.execute<{ own: string; others: string; at: string }>(
        sql`SELECT current_setting('synchronous_commit') AS own, pg_current_wal_insert_lsn() AS at`,
      );
      return rows[0];
    });
    expect(written?.own).toBe("off");
    const { rows } = await database.execute(
      sql`SELECT pg_current_wal_flush_lsn() > ${written?.at}::pg_lsn AS there, current_setting('synchronous_commit') AS after`,
    );
    expect(rows).toEqual([{ there: true, after: "on" }]);
  });

  it("takes back what it wrote when its work fails, and says so", async () => {
    const failing = test.database.earlyRelease.transaction(async (tx) => {
      await ensureModel(tx, "never");
      throw new Error("changed its mind");
    });
    await expect(failing).rejects.toThrow("changed its mind");
    const { rows } = await test.database.execute(sql`SELECT FROM model WHERE name = 'never'`);
    expect(rows).toEqual([]);
  });
});
