import { Client } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { recordAudit } from "../../../db/queries/audit.ts";
import { setLifecycleStatus } from "../../../db/queries/lifecycle.ts";
import { audited, recordFixtureEvent } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { APPEND_ONLY, PERMISSION_DENIED, refusalOf } from "../refusal.ts";
import { addLifecycle, addVersion } from "../sample.ts";

const UNAUDITED = "written_with_audit_event";
const GOVERNED = [
  "alarm",
  "alarm_acknowledgement",
  "api_token",
  "approval",
  "approval_policy",
  "break_glass",
  "break_glass_use",
  "compromise",
  "dataset_snapshot",
  "drift_check",
  "evaluation",
  "execution",
  "identity_setting",
  "lifecycle",
  "log_settings",
  "model_version",
  "monitor",
  "principal",
  "registry_entry",
  "retrain_decision",
  "role_grant",
  "role_revocation",
  "rollout",
  "rollout_override",
  "routing_epoch",
  "team_login",
  "team_membership",
  "token_revocation",
];
/** They come with any deed; what is taken out of them must leave a trace. */
const ERASABLE = ["person_name", "person_text"];

let test: TestDatabase;
let app: Client;
let lifecycles = 0;
let id = "";

beforeAll(async () => {
  test = await createTestDatabase();
  app = new Client({ connectionString: test.applicationUrl });
  await app.connect();
  await addVersion(test.database, "flights", "bytes");
});
afterAll(async () => {
  await app.end();
  await test.close();
});
beforeEach(async () => {
  id = `lc-${(lifecycles += 1)}`;
  await addLifecycle(test.database, id, "flights");
});

const move = (of: string, status: string) => `SELECT set_lifecycle_status('${of}', '${status}', NULL, NULL)`;
const fail = (of: string) => move(of, "failed");
const statusOf = async (of: string) =>
  (await test.admin.query<{ status: string }>("SELECT status FROM lifecycle WHERE id = $1", [of])).rows[0]?.status;
async function inTransaction(...steps: (() => Promise<unknown>)[]): Promise<string> {
  await app.query("BEGIN");
  const refusal = await refusalOf(
    (async () => {
      for (const step of steps) await step();
      await app.query("COMMIT");
    })(),
  );
  await app.query("ROLLBACK");
  return refusal;
}
const sends = (statement: string) => () => app.query(statement);
const records = () => recordFixtureEvent(app);

describe("I6: a governed write", () => {
  it("is refused when its transaction commits without an audit event, and nothing of it stays", async () => {
    expect(await inTransaction(sends(fail(id)))).toBe(UNAUDITED);
    expect(await refusalOf(app.query(fail(id)))).toBe(UNAUDITED);
    const copy = `SELECT record_model_version(jsonb_build_array(to_jsonb(model_version) || jsonb_build_object('id',
      gen_random_uuid()))) FROM model_version LIMIT 1`;
    expect(await refusalOf(app.query(copy))).toBe(UNAUDITED);
    const unaudited = test.database.transaction((tx) => setLifecycleStatus(tx, { id, status: "failed" }));
    expect(await refusalOf(unaudited)).toBe(UNAUDITED);
    expect(await statusOf(id)).toBe("running");
  });

  it("is taken with an event in the same transaction, before or after it", async () => {
    expect(await inTransaction(sends(fail(id)), records)).toBe("(accepted)");
    expect(await statusOf(id)).toBe("failed");
    const back = sends(move(id, "running"));
    expect(await inTransaction(records, back)).toBe("(accepted)");
  });

  it("is not covered by the event of another transaction, earlier or at the same time", async () => {
    expect(await inTransaction(records)).toBe("(accepted)");
    expect(await inTransaction(sends(fail(id)))).toBe(UNAUDITED);
    const during = async () => {
      await audited(test.database).transaction(async () => undefined);
    };
    expect(await inTransaction(sends(fail(id)), during)).toBe(UNAUDITED);
  });

  it("is not covered by an event that was taken back, nor by a locked head", async () => {
    const [save, undo] = [sends("SAVEPOINT s"), sends("ROLLBACK TO s")];
    expect(await inTransaction(sends(fail(id)), save, records, undo)).toBe(UNAUDITED);
    expect(await inTransaction(sends(fail(id)), sends("SELECT lock_audit_head('unborn')"))).toBe(UNAUDITED);
  });

  it("may be in a savepoint, and so may its event", async () => {
    const [save, release] = [sends("SAVEPOINT s"), sends("RELEASE s")];
    expect(await inTransaction(save, sends(fail(id)), release, save, records, release)).toBe("(accepted)");
  });

  it("cannot be hidden by the application: it writes no head, and no trigger is its own", async () => {
    const head = "UPDATE audit_head SET written_in = pg_current_xact_id()";
    expect(await refusalOf(app.query(`UPDATE lifecycle SET status = 'failed' WHERE id = '${id}'`))).toBe(
      PERMISSION_DENIED,
    );
    expect(await refusalOf(app.query(head))).toBe(PERMISSION_DENIED);
    expect(await refusalOf(app.query("ALTER TABLE lifecycle DISABLE TRIGGER ALL"))).toBe(PERMISSION_DENIED);
    expect(await refusalOf(app.query("SET session_replication_role = replica"))).toBe(PERMISSION_DENIED);
    expect(await inTransaction(sends("SET CONSTRAINTS ALL IMMEDIATE"), sends(fail(id)), records)).toBe(UNAUDITED);
  });

  it("is asked of the owner too", async () => {
    const update = `UPDATE lifecycle SET status = 'failed' WHERE id = '${id}'`;
    expect(await refusalOf(test.admin.query(update))).toBe(UNAUDITED);
    expect(await refusalOf(test.admin.query(`DELETE FROM lifecycle WHERE id = '${id}'`))).toBe(UNAUDITED);
    for (const table of GOVERNED) {
      expect(await refusalOf(test.admin.query(`TRUNCATE ${table} CASCADE`))).toBe(APPEND_ONLY);
    }
  });

  it("that changes nothing needs no event", async () => {
    expect(await refusalOf(app.query(move(id, "running")))).toBe("(accepted)");
  });

  it("is asked of every governed table, for every kind of write", async () => {
    const { rows } = await test.admin.query<{ table: string; kinds: string }>(
      `SELECT tgrelid::regclass::text AS "table", string_agg(DISTINCT event_manipulation, ' ' ORDER BY event_manipulation) AS kinds
       FROM pg_trigger JOIN information_schema.triggers ON trigger_name = tgname AND event_object_table = tgrelid::regclass::text
       WHERE tgfoid = 'require_audit_event'::regproc AND tgdeferrable AND tginitdeferred AND tgenabled = 'O'
       GROUP BY tgrelid ORDER BY 1`,
    );
    const governed = GOVERNED.map((table) => ({ table, kinds: "DELETE INSERT UPDATE" }));
    const erasable = ERASABLE.map((table) => ({ table, kinds: "DELETE" }));
    expect(rows).toEqual([...governed, ...erasable].sort((a, b) => (a.table < b.table ? -1 : 1)));
  });

  it("by the product's own recording is taken", async () => {
    await test.database.transaction(async (tx) => {
      await setLifecycleStatus(tx, { id, status: "failed" });
      await recordAudit(tx, {
        actor: "ada",
        subject: `lifecycle/${id}`,
        body: { kind: "lifecycle-status", status: "failed", outcome: null, failureCode: null },
      });
    });
    expect(await statusOf(id)).toBe("failed");
  });
});
