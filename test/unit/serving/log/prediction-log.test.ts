import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writeRequestLine } from "../../../../serving/log/journal-line.ts";
import { startPredictionLog, type PredictionLogOptions } from "../../../../serving/log/prediction-log.ts";
import { shipHere, type Shipping, type StartShipping } from "../../../../serving/log/shipping.ts";
import { eventually } from "../running-gateway.ts";
import { request } from "./journal-request.ts";
import { memoryDatabase } from "./memory-database.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "modelwright-log-"));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const start = (database: ReturnType<typeof memoryDatabase>, options: Partial<PredictionLogOptions> = {}) =>
  startPredictionLog({
    gateway: "g",
    directory,
    startShipping: shipHere({
      ship: database.ship,
      isRefusal: (problem) => problem instanceof RangeError,
      flushMs: 5,
    }),
    onProblem: () => undefined,
    ...options,
  });
const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index));

describe("the prediction log", () => {
  test("ships requests in order, counted and as rows, and leaves nothing on disk", async () => {
    const database = memoryDatabase();
    const log = await start(database);
    for (const id of numbers(2_500)) log.append(request(id));
    expect(log.counts()).toEqual({ accepted: 2_500, written: 0, spilled: 2_500, dropped: 0 });
    await eventually("all rows", () => log.counts().written === 2_500);
    expect([database.ids(), database.requests()]).toEqual([numbers(2_500), 2_500]);
    await log.close();
    expect(readdirSync(directory)).toEqual([]);
  });

  test("brings requests of many rows in several parts, each row once, though answers were lost", async () => {
    const database = memoryDatabase();
    database.state.loseAnswers = 3;
    const log = await start(database);
    const rowCount = 4_000;
    const scores = new Float32Array(rowCount).fill(0.5);
    for (const id of numbers(5)) log.append(request(id, { rowCount, scores }));
    await eventually("all rows", () => log.counts().written >= 5 * rowCount);
    expect(log.counts().written).toBe(5 * rowCount);
    expect(new Set(database.ids()).size).toBe(5 * rowCount);
    expect(database.batches.map(({ rows }) => rows.length)).toEqual(Array.from({ length: 5 }, () => rowCount));
    await log.close();
  });

  test("keeps requests on disk while nobody takes them, and their counts always balance", async () => {
    const database = memoryDatabase();
    database.state.away = true;
    const log = await start(database);
    for (const id of numbers(50)) log.append(request(id));
    await eventually("a try", () => readdirSync(directory).length === 1);
    expect(log.counts()).toEqual({ accepted: 50, written: 0, spilled: 50, dropped: 0 });
    database.state.away = false;
    await eventually("all that was kept", () => log.counts().written === 50);
    expect(database.ids()).toEqual(numbers(50));
    await log.close();
  });

  test("without room drops rows and goes on counting", async () => {
    const database = memoryDatabase();
    database.state.away = true;
    const log = await start(database, { limitBytes: 2_000 });
    for (const id of numbers(200)) {
      log.append(request(id));
      await Promise.resolve();
    }
    const { accepted, written, spilled, dropped } = log.counts();
    expect([accepted, written + spilled + dropped]).toEqual([200, 200]);
    expect([spilled > 0, dropped > 0]).toEqual([true, true]);
    database.state.away = false;
    await eventually("every count", () => database.requests() === 200);
    expect(log.counts()).toEqual({ accepted: 200, written: spilled, spilled: 0, dropped });
    expect(database.batches.reduce((sum, { droppedRows }) => sum + droppedRows, 0)).toBe(dropped);
    await log.close();
  });

  test("counts a stretch once though the answer to it was lost", async () => {
    const database = memoryDatabase();
    database.state.loseAnswers = 3;
    const log = await start(database);
    for (const id of numbers(10)) log.append(request(id));
    await eventually("the first stretch", () => database.batches.length > 0);
    for (const id of numbers(10)) log.append(request(`later ${id}`));
    await eventually("all rows", () => log.counts().written === 20);
    expect([database.ids().length, database.requests(), log.counts().spilled]).toEqual([20, 20, 0]);
    await log.close();
  });

  test("counts what was brought by one who ended before he could count it", async () => {
    const database = memoryDatabase();
    const shipping = shipHere({ ship: database.ship, flushMs: 5 });
    const turns: Shipping[] = [];
    let begin: () => void = () => undefined;
    const startShipping: StartShipping = (spool) => {
      begin = () => turns.push(shipping(spool));
      begin();
      return { finish: async (withinMs) => turns.at(-1)?.finish(withinMs) };
    };
    const log = await start(database, { startShipping });
    database.state.loseAnswers = 1;
    for (const id of numbers(10)) log.append(request(id));
    await eventually("the first stretch", () => database.batches.length === 1);
    await turns[0]?.finish(0);
    for (const id of numbers(10)) log.append(request(`later ${id}`));
    begin();
    await eventually("all rows", () => log.counts().spilled === 0);
    expect(log.counts()).toEqual({ accepted: 20, written: 20, spilled: 0, dropped: 0 });
    expect([database.ids().length, database.requests()]).toEqual([20, 20]);
    await log.close();
  });

  test("drops the one row that is refused for ever, counts it all the same, and goes on with the others", async () => {
    const database = memoryDatabase();
    database.state.refused = "bad";
    const log = await start(database);
    for (const id of ["a", "b", "bad", "c", "d"]) log.append(request(id));
    await eventually("the end", () => log.counts().spilled === 0);
    expect(log.counts()).toEqual({ accepted: 5, written: 4, spilled: 0, dropped: 1 });
    expect([database.ids(), database.requests()]).toEqual([["a", "b", "c", "d"], 5]);
    await log.close();
  });

  test("counts requests that are not sampled, and keeps no row of them", async () => {
    const database = memoryDatabase();
    const log = await start(database);
    log.append(request("kept"));
    log.append(request("counted", { sampled: false }));
    await eventually("both", () => database.requests() === 2);
    expect([database.ids(), log.counts().accepted]).toEqual([["kept"], 1]);
    await log.close();
  });

  test("leaves what it could not ship in time to the next gateway, which ships it", async () => {
    const database = memoryDatabase();
    database.state.away = true;
    const first = await start(database, { gateway: "first" });
    for (const id of numbers(3)) first.append(request(id));
    await first.close(20);
    expect(first.counts()).toEqual({ accepted: 3, written: 0, spilled: 3, dropped: 0 });
    database.state.away = false;
    const second = await start(database);
    await eventually("what was left", () => database.requests() === 3);
    expect(database.ids()).toEqual(numbers(3));
    expect(new Set(database.batches.map(({ gateway }) => gateway))).toEqual(new Set(["first"]));
    await second.close();
    expect(readdirSync(directory)).toEqual([]);
  });

  test("takes a spool over from where its gateway was, in the middle of requests of many rows", async () => {
    const database = memoryDatabase();
    const spool = "0190a0b0-0000-7000-8000-000000000000";
    mkdirSync(join(directory, spool));
    const scores = new Float32Array(2_000).fill(0.5);
    const lines = numbers(12).map((id) => writeRequestLine(request(id, { rowCount: scores.length, scores })));
    writeFileSync(join(directory, spool, `${"0".repeat(16)}.jsonl`), `${lines.join("\n")}\n`);
    database.places.set(spool, Buffer.byteLength(`${lines.slice(0, 2).join("\n")}\n`));
    const log = await start(database);
    await eventually("the others", () => !readdirSync(directory).includes(spool));
    const requests = database.ids().filter((id) => id.endsWith("/0"));
    expect(requests).toEqual(
      numbers(12)
        .slice(2)
        .map((id) => `${id}/0`),
    );
    expect(database.requests()).toBe(10);
    await log.close();
  });

  test("takes a spool over whose process is gone, with a line that broke, and none that lives", async () => {
    const database = memoryDatabase();
    const dead = join(directory, "0190a0b0-0000-7000-8000-000000000000");
    mkdirSync(dead);
    const owner = { hostname: hostname(), pid: 2 ** 22 + 1, run: "another" };
    writeFileSync(join(dead, "owner.json"), JSON.stringify(owner));
    // As release 0.1.0 wrote them, and as this one does.
    const { threshold: _, ...released } = { ...request("kept"), scores: [0.5], decisions: [1] };
    const lines = [JSON.stringify({ request: released }), "\u0000\u0000", writeRequestLine(request("too"))];
    writeFileSync(join(dead, `${"0".repeat(16)}.jsonl`), `${lines.join("\n")}\n{"request":`);
    database.state.away = true;
    const alive = await start(database);
    alive.append(request("of one that lives"));
    database.state.away = false;
    const other = await start(database);
    await eventually("three requests", () => database.requests() === 3);
    expect(new Set(database.batches.map(({ spool }) => spool)).size).toBe(2);
    await alive.close();
    await other.close();
    expect(database.ids().sort()).toEqual(["kept", "of one that lives", "too"]);
    expect(readdirSync(directory)).toEqual([]);
  });
});
