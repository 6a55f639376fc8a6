import type { Logger } from "@temporalio/worker";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { acknowledgeAlarm, countOpenAlarms, listAlarms, raiseAlarm } from "../../../db/queries/alarm.ts";
import { watchAlarms } from "../../../serving/alarms.ts";
import { logAlarms } from "../../../workers/alarm-log.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { APPEND_ONLY, refusalOf } from "../refusal.ts";

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(async () => await test.close());

const raise = (text: string) =>
  audited(test.database).transaction((tx) => raiseAlarm(tx, { kind: "break-glass", subject: "model/flights@1", text }));
const acknowledge = (id: string, by: string) =>
  audited(test.database).transaction((tx) => acknowledgeAlarm(tx, { id, by, reason: "seen" }));

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** A listener says nothing of itself; from when its session is there it hears everything. */
const listening = (count: number) =>
  until(async () => {
    const { rowCount } = await test.admin.query(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN modelwright_alarm%'",
    );
    return (rowCount ?? 0) >= count;
  });

describe("an alarm", () => {
  it("is said by workers at error level and counted by gateways, from when it is raised until somebody acknowledges it", async () => {
    const said: string[] = [];
    const logger = { error: (message: string) => said.push(message) } as unknown as Logger;
    const log = logAlarms(test.database, test.applicationUrl, logger);
    const watch = watchAlarms(test.database, test.applicationUrl);
    try {
      await listening(2);
      const id = await raise("flights@1 may go to production once without the approvals it lacks");
      await until(() => said.length > 0 && watch.open().get("break-glass") === 1);
      expect(said).toEqual([
        expect.stringMatching(new RegExp(`^ALARM break-glass: flights@1 may go.*--acknowledge ${id}`)),
      ]);
      expect(await acknowledge(id, "grace")).toBe(true);
      await until(() => watch.open().size === 0);
      expect(said).toHaveLength(1);
    } finally {
      await log.close();
      await watch.close();
    }
  });

  it("stays on record as it was, and the first acknowledgement stands", async () => {
    const id = await raise("another");
    expect((await countOpenAlarms(test.database)).get("break-glass")).toBe(1);
    expect(await acknowledge(id, "grace")).toBe(true);
    const [before] = await listAlarms(test.database, { id });
    expect(await acknowledge(id, "linus")).toBe(false);
    expect(await listAlarms(test.database, { id })).toEqual([before]);
    expect(await listAlarms(test.database, { open: true })).toEqual([]);
    expect(await listAlarms(test.database)).toHaveLength(2);
    for (const statement of ["UPDATE alarm SET text = 'nothing'", "DELETE FROM alarm_acknowledgement"]) {
      expect([statement, await refusalOf(test.admin.query(statement))]).toEqual([statement, APPEND_ONLY]);
    }
    const unknown = "019aa000-0000-7000-8000-000000000001";
    await expect(acknowledge(unknown, "grace")).rejects.toMatchObject({ code: "REFERENCE_UNKNOWN" });
  });
});
