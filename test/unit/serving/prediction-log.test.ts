import { describe, expect, test } from "vitest";
import type { PredictionRecord } from "../../../contracts/inference.ts";
import { createPredictionLog } from "../../../serving/prediction-log.ts";
import { eventually } from "./running-gateway.ts";

const record = (inferenceId: string): PredictionRecord => ({
  inferenceId,
  endpoint: "delay",
  epoch: 1,
  assigned: true,
  arm: "champion",
  versionId: "v",
  routingKeyHash: null,
  at: new Date(0),
  latencyMs: 1,
  outcome: "ok",
  score: 0.5,
  decision: 1,
});
const onProblem = () => undefined;

describe("the prediction log", () => {
  test("writes batches in order, full ones at once and the rest a little later", async () => {
    const batches: number[] = [];
    const written: string[] = [];
    const log = createPredictionLog({
      batchRows: 10,
      flushMs: 20,
      onProblem,
      insert: async (rows) => {
        await Promise.resolve();
        batches.push(rows.length);
        written.push(...rows.map(({ inferenceId }) => inferenceId));
      },
    });
    for (let i = 0; i < 25; i++) log.append(record(String(i)));
    await eventually("all rows", () => written.length === 25);
    expect(written).toEqual(Array.from({ length: 25 }, (_, i) => String(i)));
    expect(batches).toEqual([10, 10, 5]);
  });

  test("keeps rows while nobody takes them, drops what is beyond its room, and its counts always balance", async () => {
    let away = true;
    const written: string[] = [];
    const log = createPredictionLog({
      capacity: 30,
      batchRows: 10,
      flushMs: 1,
      onProblem,
      insert: (rows) => {
        if (away) return Promise.reject(new Error("away"));
        written.push(...rows.map(({ inferenceId }) => inferenceId));
        return Promise.resolve();
      },
    });
    for (let i = 0; i < 50; i++) log.append(record(String(i)));
    expect(log.counts()).toEqual({ accepted: 50, written: 0, dropped: 20, waiting: 30 });
    away = false;
    await eventually("all that was kept", () => written.length === 30);
    expect(written).toEqual(Array.from({ length: 30 }, (_, i) => String(i)));
    expect(log.counts()).toEqual({ accepted: 50, written: 30, dropped: 20, waiting: 0 });
  });

  test("drops and counts rows that can never be written, and goes on with the others", async () => {
    const log = createPredictionLog({
      batchRows: 1,
      flushMs: 1,
      onProblem,
      isRefusal: (problem) => problem instanceof RangeError,
      insert: ([row]) => (row?.inferenceId === "bad" ? Promise.reject(new RangeError("bad")) : Promise.resolve()),
    });
    for (const id of ["a", "bad", "b"]) log.append(record(id));
    await eventually("the end", () => log.counts().waiting === 0);
    expect(log.counts()).toEqual({ accepted: 3, written: 2, dropped: 1, waiting: 0 });
  });

  test("closes after what waits is written, or gives up in time and says what was lost", async () => {
    let count = 0;
    const log = createPredictionLog({
      flushMs: 60_000,
      onProblem,
      insert: (rows) => Promise.resolve(void (count += rows.length)),
    });
    log.append(record("a"));
    await log.close();
    expect(count).toBe(1);

    const stuck = createPredictionLog({ flushMs: 60_000, onProblem, insert: () => Promise.reject(new Error("away")) });
    stuck.append(record("a"));
    await stuck.close(50);
    expect(stuck.counts()).toEqual({ accepted: 1, written: 0, dropped: 1, waiting: 0 });
  });
});
