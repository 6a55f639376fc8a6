import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { recordChange } from "../../../activities/change-registry.ts";
import { digestOf } from "../../../db/canonical.ts";
import { recordAccessChange } from "../../../db/queries/access.ts";
import { verifyAudit } from "../../../db/queries/audit-log.ts";
import { attribute } from "../../../db/queries/person.ts";
import { committed, listHistory } from "../../../db/queries/registry/entries.ts";
import { findModel } from "../../../db/queries/registry/models.ts";
import { reveal } from "../../../db/queries/reveal.ts";
import type { Saying } from "../../../contracts/registry.ts";
import type { AccessChange } from "../../../contracts/identity.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { connectApplication, type Application } from "../application.ts";
import { APPEND_ONLY, PERMISSION_DENIED } from "../refusal.ts";
import { refusalOf } from "../refusal.ts";
import { addVersion } from "../sample.ts";
import { purpose, tag } from "./say.ts";

let test: TestDatabase;
let app: Application;
beforeAll(async () => {
  test = await createTestDatabase();
  app = await connectApplication(test);
  await addVersion(test.database, "flights", "bytes");
});
afterAll(async () => {
  await app.close();
  await test.close();
});

const CANARY = "Katherine-canary";
const description = (value: string | null): Saying => ({ attribute: "description", key: "", value });

/** Says something as the activity does, with the event. */
const say = (number: number | null, ...sayings: Saying[]) =>
  test.database.transaction(async (tx) => {
    const who = await attribute(tx, { by: "ada", reason: "" });
    return recordChange(tx, { model: "flights", number, sayings, validFrom: null, ...who, statement: null });
  });

type ErasedPlace = Omit<Extract<AccessChange, { change: "erase-said" }>, "change" | "model">;
const erase = (place: ErasedPlace) =>
  test.database.transaction(async (tx) => {
    const who = await attribute(tx, { by: "root", reason: "" });
    const change = { change: "erase-said", model: "flights", ...place } as const;
    return recordAccessChange(tx, change, { ...who, assurance: "declared", statement: null });
  });

/** Tables that hold a name: in any letter case, as the beginning of a word that a search would find, and as bytes. */
async function tablesWith(name: string): Promise<string[]> {
  const [word = ""] = name.split("-");
  const { rows: tables } = await test.admin.query<{ name: string }>(
    "SELECT oid::regclass::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')",
  );
  const hex = Buffer.from(name).toString("hex");
  const found: string[] = [];
  for (const { name: table } of tables) {
    const { rowCount } = await test.admin.query(
      `SELECT FROM ${table} AS row WHERE row::text ILIKE '%${word}%' OR row::text LIKE '%${hex}%' LIMIT 1`,
    );
    if (rowCount) found.push(table);
  }
  return found.sort();
}

describe("what was said in the registry", () => {
  it("is in the audit log as a commitment with a salt of its own, so that no guess at it can be tried", async () => {
    const [entry, again] = await say(null, tag("country", "NO"), tag("other", "NO"));
    if (!entry || !again) throw new Error("nothing was recorded");
    expect(committed(entry)).toMatch(/^text\/[0-9a-f]{64}$/);
    expect(committed(again)).not.toBe(committed(entry));
    const { rows } = await test.admin.query<{ body: { body: { entries: { id: number; digest: string }[] } } }>(
      "SELECT convert_from(body, 'UTF8')::jsonb AS body FROM audit_event WHERE kind = 'registry-changed' ORDER BY seq DESC LIMIT 1",
    );
    const { id, model, number, attribute: said, key } = entry;
    const digest = digestOf({ model, number, attribute: said, key, value: committed(entry) });
    expect(rows[0]?.body.body.entries[0]).toMatchObject({ id, digest });
    // What is no text is no secret.
    const [stage] = await say(1, { attribute: "stage", key: "", value: "production" });
    expect(stage && committed(stage)).toBe("production");
  });

  it("is erased with all its past, from history, present and search; the log stays whole and tells that it was", async () => {
    const before = new Date();
    await say(null, purpose(`asked for by ${CANARY}`), tag("asked", CANARY), description("plain"));
    await say(1, tag("reviewer", `${CANARY} the first`), description(`seen by ${CANARY}`));
    await say(1, tag("reviewer", `${CANARY} the second`));
    await say(null, purpose(`still for ${CANARY}`));
    expect(await tablesWith(CANARY)).toEqual(["model", "model_state", "registry_entry", "version_state"]);

    await erase({ number: null, attribute: "purpose", key: "" });
    await erase({ number: null, attribute: "tag", key: "asked" });
    await erase({ number: 1, attribute: "description", key: "" });
    expect(await erase({ number: 1, attribute: "tag", key: "reviewer" })).toBe("model/flights@1");
    expect(await tablesWith(CANARY)).toEqual([]);

    const history = await reveal(test.database, await listHistory(test.database, { model: "flights", number: null }));
    const purposes = history.filter(({ attribute: said }) => said === "purpose").map(({ value }) => value);
    expect(purposes).toEqual(["erased text", "erased text"]);
    const model = await reveal(test.database, await findModel(test.database, { name: "flights" }));
    expect(model).toMatchObject({
      purpose: "erased text",
      description: "plain",
      tags: { asked: "erased text", country: "NO" },
    });
    const then = await findModel(test.database, { name: "flights", asOf: before.toISOString() });
    expect(then).toMatchObject({ tags: { country: "NO" } });
    expect(await verifyAudit(test.database)).toMatchObject({ ok: true });
    const { rows } = await test.admin.query<{ subject: string; body: { body: object } }>(
      "SELECT subject, convert_from(body, 'UTF8')::jsonb AS body FROM audit_event WHERE kind = 'said-erased' ORDER BY seq DESC LIMIT 1",
    );
    expect(rows[0]).toMatchObject({ subject: "model/flights@1", body: { body: { attribute: "tag", entryCount: 2 } } });
    await expect(erase({ number: 1, attribute: "tag", key: "reviewer" })).rejects.toMatchObject({
      code: "REFERENCE_UNKNOWN",
    });
    await say(null, purpose("warn crews early"));
    expect(await findModel(test.database, { name: "flights" })).toMatchObject({ purpose: "warn crews early" });
  });

  it("is erased and never rewritten, not even by the owner of the database, and not without an event", async () => {
    await say(null, tag("kept", "value"));
    const marker = `text/${"0".repeat(64)}`;
    const change = (set: string) => test.admin.query(`UPDATE registry_entry SET ${set} WHERE key = 'kept'`);
    for (const set of [
      `value = '"other"', salt = NULL`,
      `value = '"${marker}"', salt = NULL`,
      "salt = create_salt()",
      "valid_from = now()",
      "value = NULL, salt = NULL",
    ])
      expect([set, await refusalOf(change(set))]).toEqual([set, APPEND_ONLY]);
    expect(await refusalOf(test.admin.query("DELETE FROM registry_entry"))).toBe(APPEND_ONLY);
    expect(await app.refusal("UPDATE registry_entry SET value = NULL")).toBe(PERMISSION_DENIED);
    const stage = "UPDATE registry_entry SET value = registry_commitment(registry_entry) WHERE attribute = 'stage'";
    expect(await refusalOf(test.admin.query(stage))).toBe(APPEND_ONLY);
    expect(await app.refusal("SELECT erase_said('flights', NULL, 'tag', 'kept')")).toBe("written_with_audit_event");
  });
});
