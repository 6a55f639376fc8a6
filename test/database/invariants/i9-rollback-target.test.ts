import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { advanceEpoch } from "../../../db/queries/advance-epoch.ts";
import { findVersionById, type ModelVersion } from "../../../db/queries/model.ts";
import { championOf, findFormerChampion } from "../../../db/queries/routing.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { connectApplication, type Application } from "../application.ts";
import { APPEND_ONLY, PERMISSION_DENIED, refusalOf } from "../refusal.ts";
import { addEndpoint, addEvaluation, addVersion } from "../sample.ts";

let test: TestDatabase;
let app: Application;
let former: ModelVersion;
let present: ModelVersion;

beforeAll(async () => {
  test = await createTestDatabase();
  app = await connectApplication(test);
  former = await addVersion(test.database, "flights", "former");
  await addEndpoint(test.database, "live", "flights", "production");
  present = await addVersion(test.database, "flights", "present");
  for (const [index, version] of [former, present].entries()) {
    await addEvaluation(test.database, version);
    await promote(version, index);
  }
});
afterAll(async () => {
  await app.close();
  await test.close();
});

const promote = (version: ModelVersion, expectedEpoch: number) =>
  audited(test.database).transaction((tx) =>
    advanceEpoch(tx, {
      endpoint: "live",
      expectedEpoch,
      championVersion: version.id,
      canaryVersion: null,
      canaryShare: 0,
      salt: "s",
      rollout: null,
      reason: "r",
      createdBy: "ada",
      leaseMs: 1000,
    }),
  );

/** That its bytes load is seen by the gateway, which keeps them: test/activity/serving and the kill tests. */
describe("I9: the former champion", () => {
  it("stays on record with everything that lets it serve, whatever the application or an accident of the owner does", async () => {
    for (const table of ["model_version", "artifact", "evaluation", "gate_verdict", "promotion", "routing_epoch"]) {
      for (const statement of [`DELETE FROM ${table}`, `TRUNCATE ${table} CASCADE`]) {
        expect([statement, await app.refusal(statement)]).toEqual([statement, PERMISSION_DENIED]);
        expect([statement, await refusalOf(test.admin.query(statement))]).toEqual([statement, APPEND_ONLY]);
      }
      expect([table, await app.refusal(`UPDATE ${table} SET ctid = ctid`)]).not.toContain("(accepted)");
    }
    const target = await findFormerChampion(test.database, { endpoint: "live", champion: present.id });
    expect(target).toBe(former.id);
    expect(await findVersionById(test.database, target ?? "")).toEqual(former);
  });

  it("is taken back at once, also after a later evaluation of it failed", async () => {
    await addEvaluation(test.database, former, "fail");
    expect(await promote(former, 2)).toMatchObject({ outcome: "advanced", epoch: 3 });
    expect(await championOf(test.database, "live")).toEqual(former);
    expect(await findFormerChampion(test.database, { endpoint: "live", champion: former.id })).toBe(present.id);
  });
});
