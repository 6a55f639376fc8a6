import { createHash } from "node:crypto";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { decide } from "../../../activities/decide.ts";
import { verifyAudit } from "../../../db/queries/audit-log.ts";
import { loadLifecycle } from "../../../db/queries/lifecycle.ts";
import type { ModelVersion } from "../../../db/queries/model.ts";
import { attribute, erasePerson, findActorRef, loadOpenings } from "../../../db/queries/person.ts";
import { reveal } from "../../../db/queries/reveal.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { refusalOf } from "../refusal.ts";
import { addLifecycle, addVersion, digest, executionContext } from "../sample.ts";

let test: TestDatabase;
let app: Client;
beforeAll(async () => {
  test = await createTestDatabase();
  app = new Client({ connectionString: test.applicationUrl });
  await app.connect();
});
afterAll(async () => {
  await app.end();
  await test.close();
});

const attributed = (by: string, reason = "") =>
  audited(test.database).transaction((tx) => attribute(tx, { by, reason }));

describe("an actor's pseudonym", () => {
  it("is one for every spelling of the name, and opens to the name that was hashed with its salt", async () => {
    const spellings = ["Zoë Kruse", "zoë kruse", "ZOË KRUSE", "Zoe\u0308 Kruse", " Zoë Kruse "];
    const refs = new Set<string>();
    for (const name of spellings) refs.add((await attributed(name)).by);
    const [ref = ""] = refs;
    expect(refs.size).toBe(1);
    const [opening] = await loadOpenings(test.database, [ref]);
    expect(opening?.value).toBe("Zoë Kruse");
    const hash = createHash("sha256")
      .update(opening?.salt ?? "")
      .update("Zoë Kruse")
      .digest("hex");
    expect(ref).toBe(`person/${hash.slice(0, 32)}`);
  });

  it("is one though twenty transactions see the name for the first time at once", async () => {
    const seen = await Promise.all(Array.from({ length: 20 }, () => attributed("rosalind")));
    expect(new Set(seen.map(({ by }) => by)).size).toBe(1);
  });

  it("differs between installations, so that nobody can list the names behind them", async () => {
    const other = await createTestDatabase();
    const there = await audited(other.database).transaction((tx) => attribute(tx, { by: "rosalind", reason: "" }));
    expect(there.by).not.toBe((await attributed("rosalind")).by);
    await other.close();
  });

  it("is what every table keeps, whatever the INSERT says", async () => {
    await addLifecycle(test.database, "lc-told", "told", "Barbara");
    const { rows } = await test.admin.query("SELECT started_by FROM lifecycle WHERE id = 'lc-told'");
    expect(rows).toEqual([{ started_by: await findActorRef(test.database, "barbara") }]);
    expect(rows[0]).toMatchObject({ started_by: expect.stringMatching(/^person\/[0-9a-f]{32}$/) });
  });

  it("keeps a service's name readable, and a part of the system's of an earlier release", async () => {
    expect((await attributed("service/nightly-ci")).by).toBe("service/nightly-ci");
    expect((await attributed("modelwright/scheduler")).by).toBe("service/scheduler");
    expect((await attributed("person/not-a-ref")).by).toMatch(/^person\/[0-9a-f]{32}$/);
  });

  it("cannot be written by hand, changed, or made to open to another name", async () => {
    const insert = "INSERT INTO person_name (ref, salt, name) VALUES ($1, $2, 'mallory')";
    await expect(app.query(insert, [`person/${"0".repeat(32)}`, Buffer.alloc(32)])).rejects.toThrow(
      "permission denied",
    );
    expect(await refusalOf(test.admin.query(insert, [`person/${"0".repeat(32)}`, Buffer.alloc(32)]))).toBe(
      "person_name_check",
    );
    await expect(test.admin.query("UPDATE person_name SET name = 'mallory'")).rejects.toThrow("append-only");
    await expect(test.admin.query("TRUNCATE person_text")).rejects.toThrow("append-only");
  });
});

describe("separation of duties", () => {
  const approve = (version: ModelVersion, by: string) =>
    test.database.transaction((tx) =>
      decide(
        tx,
        executionContext,
        { versionId: version.id, environment: null },
        { decision: "approve", by, reason: "" },
      ),
    );

  it("knows the author behind the pseudonym, in any letter case of any alphabet", async () => {
    const version = await addVersion(test.database, "duties", "bytes", "Jürgen Σωκράτης");
    for (const name of ["Jürgen Σωκράτης", "JÜRGEN ΣΩΚΡΆΤΗΣ".toLowerCase(), "JÜRGEN Σωκράτης"]) {
      await expect(approve(version, name)).rejects.toMatchObject({ code: "APPROVAL_BY_AUTHOR" });
    }
    expect(await approve(version, "grace")).toMatchObject({ by: [], status: "approved" });
  });

  it("holds for a version whose author an earlier release wrote down as a name", async () => {
    await test.admin.query("ALTER TABLE model_version DISABLE TRIGGER a_actors");
    const version = await addVersion(test.database, "before", "bytes", "Lovelace");
    await test.admin.query("ALTER TABLE model_version ENABLE TRIGGER a_actors");
    expect(version.createdBy).toBe("Lovelace");
    await expect(approve(version, "lovelace")).rejects.toMatchObject({ code: "APPROVAL_BY_AUTHOR" });
    const behind = `INSERT INTO approval (id, lifecycle, round, decision, decided_by, started_by, reason, evidence_digest)
      VALUES (gen_random_uuid(), null, 1, 'approve', 'LOVELACE', 'Lovelace', '', $1)`;
    expect(await refusalOf(test.admin.query(behind, [digest("e")]))).toBe("approval_not_by_author");
    await approve(version, "grace");
  });
});

describe("what a person wrote", () => {
  it("is a commitment with a salt of its own, so that equal words do not look equal", async () => {
    const first = await attributed("edsger", "simplicity is a prerequisite");
    const second = await attributed("edsger", "simplicity is a prerequisite");
    expect(first.reason).toMatch(/^text\/[0-9a-f]{64}$/);
    expect(second.reason).not.toBe(first.reason);
    expect(await attributed("edsger")).toEqual({ by: first.by, reason: "" });
  });

  it("is read in answers wherever it stands in them", async () => {
    const { by, reason } = await attributed("margaret", "the guidance computer is overloaded");
    const answer = { at: new Date(0), headline: `approve by ${by}: ${reason}`, list: [by, 1, null] };
    expect(await reveal(test.database, answer)).toEqual({
      at: new Date(0),
      headline: "approve by margaret: the guidance computer is overloaded",
      list: ["margaret", 1, null],
    });
  });
});

describe("erasing a person", () => {
  it("takes name, salts and words away, leaves the trail whole, and answers say so", async () => {
    const name = "katherine-canary";
    const { by, reason } = await attributed(name, "orbit-canary looks right");
    await addLifecycle(test.database, "lc-erased", "erased", name);
    await audited(test.database).transaction((tx) => erasePerson(tx, by));

    expect(await findActorRef(test.database, name)).toBeNull();
    const shown = `erased person ${by.slice(7, 15)}`;
    expect(await reveal(test.database, `${by}: ${reason}`)).toBe(`${shown}: erased text`);
    expect(await reveal(test.database, await loadLifecycle(test.database, "lc-erased"))).toMatchObject({
      startedBy: shown,
    });
    expect(await verifyAudit(test.database, { stream: "fixtures" })).toMatchObject({ ok: true });
    // The same name again is somebody else.
    expect((await attributed(name)).by).not.toBe(by);
  });

  it("is refused without an audit event in the same transaction", async () => {
    const { by } = await attributed("unforgotten", "words");
    expect(await refusalOf(app.query("SELECT erase_person($1)", [by]))).toBe("written_with_audit_event");
    expect(await findActorRef(test.database, "unforgotten")).toBe(by);
  });
});
