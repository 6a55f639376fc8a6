import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { createId } from "../../../db/identifiers.ts";
import { verifyAudit } from "../../../db/queries/audit-log.ts";
import { openDatabaseAccess, type DatabaseAccess } from "../../../local/database-access.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { addVersion } from "../sample.ts";

const name = `quinn-${createId().slice(-8)}`;
const attributed = { by: "ada", reason: "asked for by phone" };
let test: TestDatabase;
let access: DatabaseAccess;

beforeAll(async () => {
  test = await createTestDatabase();
  access = openDatabaseAccess({ DATABASE_ADMIN_URL: test.adminUrl });
  for (const model of ["flights", "hotels"]) await addVersion(test.database, model, model);
});
afterAll(async () => {
  await access.close();
  await test.close();
});

async function modelsSeen(address: string): Promise<string[]> {
  const client = new Client({ connectionString: address });
  await client.connect();
  try {
    return (await client.query<{ name: string }>("SELECT name FROM model ORDER BY 1")).rows.map((row) => row.name);
  } finally {
    await client.end();
  }
}

describe("the owner's verbs", () => {
  it("make a login whose address works, and give a model to a team, seen at once", async () => {
    const { login, address } = await access.createLogin({ name, role: "member", teams: ["birds"], ...attributed });
    expect(login).toBe(`modelwright_member_${name}`);
    expect(await modelsSeen(address)).toEqual(["flights", "hotels"]);
    await access.setTeam({ model: "hotels", team: "hosts", ...attributed });
    expect(await modelsSeen(address)).toEqual(["flights"]);
    await access.setTeam({ model: "flights", team: "birds", ...attributed });
    expect(await modelsSeen(address)).toEqual(["flights"]);
    expect(await access.show()).toMatchObject({
      logins: expect.arrayContaining([{ login, role: "member", teams: ["birds"] }]),
      teams: [
        { model: "flights", team: "birds" },
        { model: "hotels", team: "hosts" },
      ],
    });
  });

  it("are audited, without a personal name or word in the log", async () => {
    const { rows } = await test.admin.query<{ kind: string; text: string }>(
      "SELECT kind, convert_from(body, 'UTF8') AS text FROM audit_event WHERE kind IN ('login-created', 'team-set') ORDER BY seq",
    );
    expect(rows.map(({ kind }) => kind)).toEqual(["login-created", "team-set", "team-set"]);
    for (const { text } of rows) {
      expect(text).not.toContain("quinn");
      // As a word: digests may have the letters.
      expect(text).not.toMatch(/\bada\b/);
      expect(text).not.toContain("phone");
    }
    expect(await verifyAudit(test.database)).toMatchObject({ ok: true });
  });

  it("take a login away: its sessions end, and it is nobody any more", async () => {
    const { login, address } = await access.createLogin({ name, role: "member", teams: ["birds"], ...attributed });
    const session = new Client({ connectionString: address });
    const ended = new Promise((resolve) => session.on("error", resolve));
    await session.connect();
    expect(await access.removeLogin({ name, role: "member", ...attributed })).toEqual({ login, sessionsEnded: 1 });
    await expect(ended).resolves.toMatchObject({ code: "57P01" });
    await expect(modelsSeen(address)).rejects.toMatchObject({ code: "28P01" });
    expect((await access.show()).logins.map((one) => one.login)).not.toContain(login);
    await expect(access.removeLogin({ name, role: "member", ...attributed })).rejects.toMatchObject({
      code: "INPUT_INVALID",
    });
  });

  it("refuse an unknown model, and without the owner's address", async () => {
    const unknown = access.setTeam({ model: "trains", team: null, ...attributed });
    await expect(unknown).rejects.toMatchObject({ code: "MODEL_UNKNOWN" });
    expect(() => openDatabaseAccess({})).toThrow(/DATABASE_ADMIN_URL.*only the owner/);
  });
});
