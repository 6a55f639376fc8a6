import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { audited, recordFixtureEvent } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { APPEND_ONLY, PERMISSION_DENIED, refusalOf } from "../refusal.ts";
import { execute } from "../sample.ts";

const NOT_NULL = "23502";

/** Every statement here is sent past all our code: only the database itself can refuse it. */
let test: TestDatabase;
let app: Client;
beforeAll(async () => {
  test = await createTestDatabase();
  app = new Client({ connectionString: test.applicationUrl });
  await app.connect();
  await record("a/1", "b/1");
});
afterAll(async () => {
  await app.end();
  await test.close();
});

const record = (from: string, to: string) =>
  audited(test.database).transaction((tx) => execute(tx, { used: { [from]: "input" }, generated: { [to]: "output" } }));

const row = (values: object) =>
  JSON.stringify({
    kind: "train",
    workflow_id: "w",
    run_id: "r",
    activity_id: "1",
    attempt: 1,
    code_digest: "0".repeat(64),
    parameters_digest: "0".repeat(64),
    ...values,
  });
const CALL = "SELECT record_execution($1, $2, $3) AS id";
const input = JSON.stringify([{ ref: "a/1", role: "input" }]);
const output = JSON.stringify([{ ref: "x/1", role: "output" }]);

/** The refusal of a statement, or of the commit after it. */
async function refusal(client: Client, statement: string, values: unknown[] = [], event = true): Promise<string> {
  await client.query("BEGIN");
  try {
    return await refusalOf(
      (async () => {
        await client.query(statement, values);
        if (event) await recordFixtureEvent(client);
        await client.query("COMMIT");
      })(),
    );
  } finally {
    await client.query("ROLLBACK");
  }
}

describe("an execution", () => {
  it("is sealed: no edge is added to it, by the application or by the owner's accident", async () => {
    for (const table of ["used", "generated"]) {
      const insert = `INSERT INTO ${table} (execution, node, role) VALUES (1, 1, 'output')`;
      expect(await refusal(app, insert)).toBe(PERMISSION_DENIED);
      expect(await refusal(test.admin, insert)).toBe("execution_sealed");
    }
  });

  it("cannot be written, changed or taken away but by its function", async () => {
    for (const table of ["lineage_node", "execution", "used", "generated"]) {
      expect(await refusal(app, `DELETE FROM ${table}`)).toBe(PERMISSION_DENIED);
      expect(await refusal(app, `INSERT INTO ${table} OVERRIDING SYSTEM VALUE SELECT * FROM ${table}`)).toBe(
        PERMISSION_DENIED,
      );
      expect(await refusal(app, `TRUNCATE ${table} CASCADE`)).toBe(PERMISSION_DENIED);
      expect(await refusal(test.admin, `DELETE FROM ${table}`)).toBe(APPEND_ONLY);
    }
    for (const call of ["seal_execution(NULL, '[]', '[]')", "maker_of(1, '')", "upstream_of_execution(1)"]) {
      expect(await refusal(app, `SELECT ${call}`)).toBe(PERMISSION_DENIED);
    }
  });

  it("takes no edge of an execution that is not there, nor one made by a younger execution", async () => {
    const insert = "INSERT INTO used (execution, node, role, made_by) VALUES ($1, 1, 'input', $2)";
    expect(await refusal(test.admin, insert, [900, null])).toBe("used_execution_fkey");
    expect(await refusal(test.admin, insert, [900, 900])).toBe("used_check");
  });

  it("gets its number, its seal and its closure from the database, whatever it says of itself", async () => {
    await app.query("BEGIN");
    const forged = row({ id: 77, sealed_at: "2001-01-01Z", upstream: [5], used_count: 9, generated_count: 9 });
    const { rows } = await app.query(CALL, [forged, input, output]);
    const recorded = await app.query(
      "SELECT *, sealed_at > now() - interval '1 hour' AS fresh FROM execution WHERE id = 2",
    );
    await app.query("ROLLBACK");
    expect(rows).toEqual([{ id: "2" }]);
    expect(recorded.rows).toMatchObject([{ id: "2", upstream: [], used_count: 1, generated_count: 1, fresh: true }]);
  });

  it.each([
    ["of an unknown kind", row({ kind: "magic" }), input, output, "execution_kind_check"],
    ["that claims to be carried over", row({ kind: "carried-over" }), input, output, "execution_check"],
    ["that does not say who did it", row({ workflow_id: null }), input, output, "execution_check"],
    ["that began in the future", row({ started_at: "2999-01-01Z" }), input, output, "execution_check1"],
    ["that generated nothing", row({}), input, "[]", "execution_generated_count_check"],
    ["with an unknown role", row({}), '[{"ref": "a/1", "role": "friend"}]', output, "lineage_role_check"],
    ["without a role", row({}), '[{"ref": "a/1"}]', output, NOT_NULL],
    ["of a thing without a name", row({}), '[{"ref": "", "role": "input"}]', output, "lineage_node_ref_check"],
    [
      "of a thing with a name of 2001 bytes",
      row({}),
      JSON.stringify([{ ref: `source/${"é".repeat(997)}`, role: "input" }]),
      output,
      "lineage_node_ref_check",
    ],
    ["of an unknown lifecycle", row({ lifecycle: "nobody" }), input, output, "execution_lifecycle_fkey"],
  ])("%s is refused", async (_what, recorded, inputs, outputs, constraint) => {
    expect(await refusal(app, CALL, [recorded, inputs, outputs])).toContain(constraint);
  });

  it("without an audit event in its transaction is refused", async () => {
    expect(await refusal(app, CALL, [row({}), input, output], false)).toBe("written_with_audit_event");
  });

  it("has a number of its own, without a gap, however many are recorded at once", async () => {
    const ids = await Promise.all(Array.from({ length: 24 }, (_, index) => record("b/1", `many/${index}`)));
    expect(ids.sort((a, b) => a - b)).toEqual(Array.from({ length: 24 }, (_, index) => index + 2));
  });
});
