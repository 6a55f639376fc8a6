import { randomUUID } from "node:crypto";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { connectApplication, record, type Application } from "../application.ts";
import { PERMISSION_DENIED, refusalOf } from "../refusal.ts";
import { addLifecycle, digest } from "../sample.ts";

let test: TestDatabase;
let app: Application;
/** What the author is called in the rows. */
let author: string;

beforeAll(async () => {
  test = await createTestDatabase();
  app = await connectApplication(test);
  await addLifecycle(test.database, "lc-1", "flights", "ada");
  const { rows } = await app.client.query<{ author: string }>("SELECT started_by AS author FROM lifecycle");
  author = rows[0]?.author ?? "";
});
afterAll(async () => {
  await app.close();
  await test.close();
});

const approval = (fields: object = {}) =>
  record("approval", {
    id: randomUUID(),
    lifecycle: "lc-1",
    round: 1,
    decision: "approve",
    decided_by: "grace",
    started_by: author,
    reason: "fine",
    evidence_digest: digest("evidence"),
    ...fields,
  });

describe("I8: who started a lifecycle does not approve it", () => {
  it("in whatever letter case, nor under a lent name", async () => {
    expect(await app.trial(approval({ decided_by: "ada" }))).toBe("approval_not_by_author");
    expect(await app.trial(approval({ decided_by: "ADA" }))).toBe("approval_not_by_author");
    expect(await app.trial(approval({ decided_by: " ada " }))).not.toBe("(accepted)");
    expect(await app.trial(approval({ decided_by: author }))).toBe("approval_not_by_author");
    expect(await app.trial(approval({ decided_by: "ada", started_by: "somebody else" }))).toBe(
      "approval_lifecycle_started_by_fkey",
    );
    expect(await app.trial(approval())).toBe("(accepted)");
  });

  it("nor by changing who started it, or a decision that was taken", async () => {
    await app.write(approval());
    for (const statement of [
      "UPDATE lifecycle SET started_by = 'eve'",
      "UPDATE approval SET decided_by = 'eve'",
      "INSERT INTO approval SELECT * FROM approval",
      "DELETE FROM approval",
    ]) {
      expect([statement, await app.refusal(statement)]).toEqual([statement, PERMISSION_DENIED]);
    }
    expect(await refusalOf(test.admin.query("UPDATE lifecycle SET started_by = 'eve'"))).toBe(
      "approval_lifecycle_started_by_fkey",
    );
  });
});
