import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startPredictionLog } from "../../../serving/log/prediction-log.ts";
import { shipInThread } from "../../../serving/log/shipping-thread.ts";
import { openCanary } from "../../database/open-canary.ts";
import { plan } from "../../database/sample.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { request } from "../../unit/serving/log/journal-request.ts";
import { eventually } from "../../unit/serving/running-gateway.ts";

let database: TestDatabase;
let directory: string;
const threads: Worker[] = [];
const noteThread = (thread: Worker) => threads.push(thread);

beforeAll(async () => {
  database = await createTestDatabase();
  directory = await mkdtemp(join(tmpdir(), "modelwright-shipping-"));
  process.on("worker", noteThread);
});
afterAll(async () => {
  process.off("worker", noteThread);
  await database.close();
  await rm(directory, { recursive: true, force: true });
});

/** What Postgres has of the log. */
async function kept(): Promise<unknown> {
  const { rows } = await database.admin.query(
    `SELECT (SELECT count(*)::int FROM prediction) AS rows, (SELECT sum(requests)::int FROM decision_count) AS requests,
       accepted::int, written::int, spilled::int, dropped::int FROM gateway_log`,
  );
  return rows[0];
}

test("a thread that fails, and one that is ended, is started again; every row is written once, and the counts balance", async () => {
  const { endpoint, champion } = await openCanary(database.database, {
    endpoint: "delay",
    plan,
    latencyThresholdMs: 5,
  });
  const problems: string[] = [];
  const log = await startPredictionLog({
    gateway: "g",
    directory,
    startShipping: shipInThread({ databaseUrl: database.applicationUrl }),
    onProblem: (what) => problems.push(what),
  });
  let appended = 0;
  const append = (count: number): void => {
    for (const end = appended + count; appended < end; appended += 1) {
      log.append(request(`${appended}`, { endpoint, versionId: champion, atMs: Date.now() }));
    }
  };
  /** The thread's own code throws at a message that is none. */
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  const fail = (thread: Worker | undefined) => thread?.postMessage(null);
  const end = (thread: Worker | undefined) => thread?.terminate();
  for (const [turn, stop] of [fail, end].entries()) {
    append(3_000);
    await eventually("some rows", () => log.counts().written > turn * 3_000);
    append(500);
    await stop(threads[turn]);
    append(500);
    await eventually("another thread", () => threads.length === turn + 2);
    const { accepted, written, spilled, dropped } = log.counts();
    expect([accepted, dropped, spilled >= 0]).toEqual([appended, 0, true]);
    expect(written + spilled).toBe(appended);
  }
  await eventually("all rows", () => log.counts().spilled === 0);
  expect(log.counts()).toEqual({ accepted: appended, written: appended, spilled: 0, dropped: 0 });
  const all = { rows: appended, requests: appended };
  expect(await kept()).toEqual({ ...all, accepted: appended, written: appended, spilled: 0, dropped: 0 });
  expect(problems).toContain("the thread that ships requests failed and is started again");
  await log.close();
});
