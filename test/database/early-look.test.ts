import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { advanceEpoch } from "../../db/queries/advance-epoch.ts";
import { reportVersion } from "../../db/queries/gateway-report.ts";
import { lookEarly } from "../../workers/early-look.ts";
import { audited } from "../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { until } from "../workflow/until.ts";
import { addEndpoint, addVersion } from "./sample.ts";

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(async () => {
  await test.close();
});

describe("trouble that a gateway reports", () => {
  it("reaches the endpoint's rollout at once, the same trouble under the same id, and quiet reports do not", async () => {
    const told: string[] = [];
    const client = {
      workflow: {
        getHandle: (workflowId: string) => ({
          startUpdate: async (update: string, { updateId }: { updateId: string }) => {
            told.push(`${workflowId} ${update} ${updateId}`);
          },
        }),
      },
    };
    const listener = lookEarly(client as never, test.applicationUrl);
    const { id: versionId } = await addVersion(test.database, "troubled", "bytes");
    await addEndpoint(test.database, "troubled", "troubled", "staging");
    const { epoch } = await audited(test.database).transaction((tx) =>
      advanceEpoch(tx, {
        endpoint: "troubled",
        expectedEpoch: 0,
        championVersion: versionId,
        canaryVersion: null,
        canaryShare: 0,
        salt: "salt",
        rollout: null,
        reason: "test",
        createdBy: "ada",
        leaseMs: 0,
      }),
    );
    const fine = {
      gateway: "g",
      endpoint: "troubled",
      epoch,
      versionId,
      exits: 0,
      unreadyMs: 0,
      schemaMismatches: 0,
      shadow: null,
    };
    // Until the listener listens; each is another trouble.
    for (let exits = 1; told.length === 0; exits += 1) {
      await reportVersion(test.database, { ...fine, exits });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    told.length = 0;
    await reportVersion(test.database, fine);
    await reportVersion(test.database, { ...fine, unreadyMs: 400 });
    await reportVersion(test.database, { ...fine, unreadyMs: 29_000 });
    await reportVersion(test.database, { ...fine, unreadyMs: 31_000 });
    await reportVersion(test.database, { ...fine, schemaMismatches: 1 });
    await until(() => told.length >= 4);
    expect(told).toEqual([
      "rollout/troubled look troubled/1/0-0-0/g",
      "rollout/troubled look troubled/1/0-0-0/g",
      "rollout/troubled look troubled/1/0-1-0/g",
      "rollout/troubled look troubled/1/0-0-1/g",
    ]);
    await listener.close();
  });
});
