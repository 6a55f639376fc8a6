import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { findOperation, runOperation } from "../../db/queries/operation.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { addArtifact } from "./sample.ts";

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(async () => {
  await test.close();
});

const context = { workflowId: "lifecycle/1", runId: "run", activityId: "1", attempt: 1 };

async function artifactCount(): Promise<number> {
  const { rows } = await test.admin.query<{ count: string }>("SELECT count(*) FROM artifact");
  return Number(rows[0]?.count);
}

describe("a database connection", () => {
  it("that is lost between two statements of a transaction fails the transaction and not the process", async () => {
    const lost = test.database.transaction(async (tx) => {
      const { rows } = await tx.execute<{ pid: number }>("SELECT pg_backend_pid() AS pid");
      await test.admin.query("SELECT pg_terminate_backend($1)", [rows[0]?.pid]);
      await sleep(100);
      await tx.execute("SELECT 1");
    });
    await expect(lost).rejects.toThrow("Failed query");
    await expect(test.database.execute("SELECT 1")).resolves.toBeDefined();
  });
});

describe("the operation ledger", () => {
  it("does the work of a key once, however many ask at the same moment, and gives everybody its result", async () => {
    let worked = 0;
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        runOperation(
          test.database,
          { key: "once", request: { a: 1 }, context: { ...context, attempt: index + 1 } },
          async (tx) => {
            worked += 1;
            await addArtifact(tx, `made by ${index}`);
            await sleep(20);
            return { by: index };
          },
        ),
      ),
    );
    expect(worked).toBe(1);
    expect(new Set(results.map(({ by }) => by)).size).toBe(1);
    expect(await artifactCount()).toBe(1);
  });

  it("returns the stored result to a later attempt without working", async () => {
    const ask = (attempt: number) =>
      runOperation(test.database, { key: "later", request: {}, context: { ...context, attempt } }, async () => ({
        attempt,
      }));
    expect(await ask(1)).toEqual({ attempt: 1 });
    expect(await ask(2)).toEqual({ attempt: 1 });
    expect(await findOperation(test.database, "later")).toMatchObject({
      key: "later",
      attempt: 1,
      result: { attempt: 1 },
    });
  });

  it("takes requests that differ in the order of keys for the same", async () => {
    const ask = (request: unknown) =>
      runOperation(test.database, { key: "order", request, context }, async () => JSON.stringify(request));
    expect(await ask({ a: 1, b: [2] })).toBe(await ask({ b: [2], a: 1 }));
  });

  it("refuses another request under a used key", async () => {
    const ask = (request: unknown) => runOperation(test.database, { key: "conflict", request, context }, async () => 1);
    await ask({ a: 1 });
    await expect(ask({ a: 2 })).rejects.toMatchObject({ code: "OPERATION_CONFLICT" });
  });

  it("keeps nothing of work that failed, and lets the next attempt do it", async () => {
    const before = await artifactCount();
    const ask = (fail: boolean) =>
      runOperation(test.database, { key: "retry", request: {}, context }, async (tx) => {
        await addArtifact(tx, "half done");
        if (fail) throw new Error("killed");
        return "done";
      });
    await expect(ask(true)).rejects.toThrow("killed");
    expect(await artifactCount()).toBe(before);
    expect(await findOperation(test.database, "retry")).toBeNull();
    expect(await ask(false)).toBe("done");
    expect(await artifactCount()).toBe(before + 1);
  });

  it("returns what it stored the first time as well, and null for work without a result", async () => {
    const request = { key: "shape", request: {}, context };
    const first = await runOperation(test.database, request, async () => ({ at: new Date(0), gone: undefined }));
    expect(first).toEqual({ at: "1970-01-01T00:00:00.000Z" });
    const nothing = () => runOperation(test.database, { ...request, key: "void" }, async () => undefined);
    expect([await nothing(), await nothing()]).toEqual([null, null]);
  });
});
