import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { endTurn, listTurns, newestTurn, takeTurn } from "../../db/queries/rollout-turn.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { openCanary } from "./open-canary.ts";
import { plan } from "./sample.ts";

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(async () => {
  await test.close();
});

const take = (id: string, endpoint = "shared") => takeTurn(test.database, { id, endpoint });

describe("rollouts that wait for an endpoint", () => {
  it("keep the order in which they came, however often they ask", async () => {
    expect(await take("a")).toEqual([]);
    expect(await take("b")).toEqual(["a"]);
    expect(await take("c")).toEqual(["a", "b"]);
    expect(await take("a")).toEqual([]);
    expect(await take("elsewhere", "other")).toEqual([]);
    expect(await newestTurn(test.database, { endpoint: "shared", except: "c" })).toBe("b");
    await endTurn(test.database, "a");
    expect(await take("c")).toEqual(["b"]);
  });

  it("are forgotten when nobody asks for them any more", async () => {
    await take("dead", "quiet");
    expect(await take("alive", "quiet")).toEqual(["dead"]);
    await test.admin.query("UPDATE rollout_turn SET asked_at = now() - interval '31 minutes' WHERE rollout = 'dead'");
    expect(await newestTurn(test.database, { endpoint: "quiet", except: "alive" })).toBeNull();
    expect(await take("alive", "quiet")).toEqual([]);
  });

  it("are listed with those whose end they wait for, the one that runs first", async () => {
    await openCanary(test.database, { endpoint: "queued", plan, latencyThresholdMs: 5 });
    for (const id of ["first", "second"]) await take(id, "queued");
    const ofQueued = async () => (await listTurns(test.database)).filter(({ endpoint }) => endpoint === "queued");
    expect(await ofQueued()).toEqual([
      { rolloutId: "first", endpoint: "queued", behind: ["queued"] },
      { rolloutId: "second", endpoint: "queued", behind: ["queued", "first"] },
    ]);
    await endTurn(test.database, "first");
    expect(await ofQueued()).toEqual([{ rolloutId: "second", endpoint: "queued", behind: ["queued"] }]);
  });
});
