import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { LogBatch } from "../../../../contracts/inference.ts";
import { startPredictionLog } from "../../../../serving/log/prediction-log.ts";
import { shipHere, type Shipping, type StartShipping } from "../../../../serving/log/shipping.ts";
import { eventually } from "../running-gateway.ts";
import { request } from "./journal-request.ts";
import { memoryDatabase } from "./memory-database.ts";

/** What happens to a gateway's log, and to who brings it. */
const step = fc.oneof(
  fc.record({ kind: fc.constant("append"), rows: fc.constantFrom(1, 1, 1, 40, 2_000), isSampled: fc.boolean() }),
  fc.record({ kind: fc.constantFrom("away", "back", "lose the next answer", "end who ships", "wait") }),
);

async function run(steps: readonly (typeof step extends fc.Arbitrary<infer Step> ? Step : never)[]): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "modelwright-balance-"));
  const database = memoryDatabase();
  const never = new Promise<never>(() => undefined);
  let current: Shipping | undefined;
  /** Ends who ships, in the middle of whatever it does, and begins another. */
  let restart: () => void = () => undefined;
  const startShipping: StartShipping = (spool) => {
    let newest = {};
    restart = () => {
      const self = {};
      newest = self;
      const whileAlive = async <Answer>(answer: Promise<Answer>) => {
        const heard = await answer.then(
          (value) => () => value,
          (thrown: unknown) => () => {
            throw thrown;
          },
        );
        return newest === self ? heard() : never;
      };
      const ship = (batch: LogBatch) => (newest === self ? whileAlive(database.ship(batch)) : never);
      current = shipHere({ ship, flushMs: 1 })(spool);
    };
    restart();
    return { finish: async (withinMs) => current?.finish(withinMs) };
  };
  // Some of it has no room.
  const log = await startPredictionLog({
    gateway: "g",
    directory,
    startShipping,
    onProblem: () => undefined,
    limitBytes: 20_000,
  });
  const appended = { requests: 0, rows: 0 };
  for (const { kind, ...fields } of steps) {
    if ("rows" in fields) {
      const { rows: rowCount, isSampled: sampled } = fields;
      log.append(request(`${appended.requests}`, { rowCount, sampled, scores: new Float32Array(rowCount) }));
      appended.requests += 1;
      appended.rows += sampled ? rowCount : 0;
    } else if (kind === "end who ships") restart();
    else if (kind === "wait") await new Promise((resolve) => setTimeout(resolve, 3));
    else if (kind === "lose the next answer") database.state.loseAnswers = 1;
    else database.state.away = kind === "away";
    const { accepted, written, spilled, dropped } = log.counts();
    expect([accepted, written + spilled + dropped]).toEqual([appended.rows, appended.rows]);
    expect(Math.min(written, spilled, dropped)).toBeGreaterThanOrEqual(0);
    expect(written).toBeLessThanOrEqual(database.ids().length);
  }
  database.state.away = false;
  await eventually("everything", () => log.counts().spilled === 0 && database.requests() === appended.requests);
  const { written, dropped } = log.counts();
  expect([database.ids().length, new Set(database.ids()).size]).toEqual([written, written]);
  expect(database.batches.reduce((sum, { droppedRows }) => sum + droppedRows, 0)).toBe(dropped);
  await log.close();
  rmSync(directory, { recursive: true, force: true });
}

test("whatever becomes of Postgres, of its answers and of who ships: accepted is written, spilled and dropped, and every request counts once", async () => {
  const property = fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), run);
  await fc.assert(property, { numRuns: 60, endOnFailure: true });
});
