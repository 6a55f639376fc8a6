import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { ModelVersion } from "../../../db/queries/model.ts";
import { startRollout } from "../../../db/queries/rollout.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { connectApplication, record, type Application } from "../application.ts";
import { PERMISSION_DENIED, refusalOf } from "../refusal.ts";
import { addEndpoint, addVersion, digest, plan } from "../sample.ts";
import { epochOf } from "./epoch.ts";

let test: TestDatabase;
let app: Application;
let one: ModelVersion;
let two: ModelVersion;

beforeAll(async () => {
  test = await createTestDatabase();
  app = await connectApplication(test);
  one = await addVersion(test.database, "flights", "one");
  two = await addVersion(test.database, "flights", "two");
  await addEndpoint(test.database, "live", "flights", "staging");
});
afterAll(async () => {
  await app.close();
  await test.close();
});

const epoch = (number: number, served: Parameters<typeof epochOf>[2]) =>
  record("routing_epoch", epochOf("live", number, served));

describe("I4: traffic shares", () => {
  it("are basis points that sum to 10 000, with somebody to serve each", async () => {
    const [champion, canary] = [one.id, two.id];
    const refused = async (served: Parameters<typeof epochOf>[2]) => await app.trial(epoch(1, served));
    expect(await refused({ champion, canary, championShare: 9000, canaryShare: 999 })).toBe("routing_epoch_shares_sum");
    expect(await refused({ canary, championShare: 5000, canaryShare: 5000 })).toBe("routing_epoch_check");
    expect(await refused({ champion, championShare: 5000, canaryShare: 5000 })).toBe("routing_epoch_check1");
    expect(await refused({ champion, canary, championShare: 10_001, canaryShare: -1 })).toBe(
      "routing_epoch_canary_share_check",
    );
    expect(await refused({ champion, canary: champion, canaryShare: 5000 })).toBe("routing_epoch_check2");
    expect(await refused({ champion, canary, championShare: 9000.5, canaryShare: 999.5 })).toBe("22P02");
    expect(await refused({ champion, canary, canaryShare: 1 })).toBe("(accepted)");
  });

  it("are of versions of the endpoint's model", async () => {
    const hotel = await addVersion(test.database, "hotels", "hotel bytes");
    expect(await app.trial(epoch(1, { champion: hotel.id }))).toBe("routing_epoch_champion_version_model_fkey");
  });
});

describe("I4: routing epochs", () => {
  it("follow each other without a hole, and none is written twice, changed or taken back", async () => {
    expect(await app.trial(epoch(2, { champion: one.id }))).toBe("routing_epoch_order");
    await app.write(epoch(1, { champion: one.id }));
    expect(await app.trial(epoch(1, { champion: one.id }))).toBe("routing_epoch_order");
    for (const statement of ["UPDATE routing_epoch SET canary_share = 1", "DELETE FROM routing_epoch"]) {
      expect([statement, await app.refusal(statement)]).toEqual([statement, PERMISSION_DENIED]);
    }
  });

  it("begin when the database says, one after the other", async () => {
    await app.write(
      record("routing_epoch", { ...epochOf("live", 2, { champion: two.id }), created_at: "2001-01-01Z" }),
    );
    const { rows } = await app.client.query<{ rising: boolean }>(
      "SELECT created_at > lag(created_at, 1, '2002-01-01Z') OVER (ORDER BY epoch) AS rising FROM routing_epoch",
    );
    expect(rows).toEqual([{ rising: true }, { rising: true }]);
  });

  it("have one writer while a rollout runs, which ends once", async () => {
    const running = {
      id: "ro-1",
      endpoint: "live",
      lifecycle: null,
      plan,
      championVersion: two.id,
      canaryVersion: one.id,
      latencyThresholdMs: null,
      startedBy: "ada",
    };
    await audited(test.database).transaction((tx) => startRollout(tx, running));
    const second = { id: "ro-2", endpoint: "live", model: "flights", plan: {}, plan_digest: digest("plan") };
    const row = { ...second, canary_version: one.id, started_by: "eve" };
    expect(await app.write(record("rollout", row))).toEqual([]);
    const direct = `INSERT INTO rollout (id, endpoint, model, plan, plan_digest, canary_version, started_by)
      VALUES ('ro-2', 'live', 'flights', '{}', '${digest("plan")}', '${one.id}', 'eve')`;
    expect(await app.refusal(direct)).toBe(PERMISSION_DENIED);
    expect(await refusalOf(test.admin.query(direct))).toBe("rollout_one_writer");
    expect(await app.trial(epoch(3, { champion: one.id }))).toBe("routing_epoch_one_writer");

    const ended = await app.write(["SELECT * FROM end_rollout('ro-1', 'aborted', '')"]);
    expect(ended).toMatchObject([{ status: "aborted" }]);
    expect(await app.trial(["SELECT * FROM end_rollout('ro-1', 'promoted', '')"])).toBe("rollout_final");
    expect(await app.refusal("UPDATE rollout SET status = 'promoted'")).toBe(PERMISSION_DENIED);
  });
});
