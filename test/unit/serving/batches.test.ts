import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, runGateway, tensors, type RunningGateway } from "./running-gateway.ts";
import { expected, MemoryRoutes, Models, route } from "./served-model.ts";

const MAXIMUM_BATCH_ROWS = 8;
/** What tells the versions apart in every row. */
const BIASES = { "delay@1": 0, "delay@2": 2, "mirrored@1": -2, "mirrored@2": 4 } as const;
const SHADOWED_ROWS = 2;

const models = new Models();
const source = new MemoryRoutes();
let running: RunningGateway;

beforeAll(async () => {
  const leaseUntilMs = source.nowMs() + 3_600_000;
  const [champion, canary] = [models.add(1, BIASES["delay@1"]), models.add(2, BIASES["delay@2"])];
  source.set(route(champion, { canary, canaryBasisPoints: 4_000, leaseUntilMs }));
  const [shadowed, candidate] = [models.add(1, BIASES["mirrored@1"]), models.add(2, BIASES["mirrored@2"])];
  source.set(route(shadowed, { endpoint: "mirrored", canary: candidate, shadowBasisPoints: 10_000, leaseUntilMs }));
  running = await runGateway(models, source, { process: { maximumBatchRows: MAXIMUM_BATCH_ROWS } });
});
afterAll(async () => {
  await running.gateway.stop();
  models.remove();
});

/** Rows that ran, by version, and whether a run had more of them than it may. */
async function ran(): Promise<{ readonly rows: Readonly<Record<string, number>>; readonly isAnyTooLarge: boolean }> {
  const text = await (await fetch(`${running.url}/metrics`)).text();
  const read = (what: string): Record<string, number> =>
    Object.fromEntries(
      [...text.matchAll(/^modelwright_batch_rows_(\S+) (\d+)$/gm)].flatMap(([, labels = "", value]) => {
        const [, version = ""] = /version="([^"]+)"/.exec(labels) ?? [];
        return labels.startsWith(what) && version ? [[version, Number(value)] as const] : [];
      }),
    );
  const within = Object.fromEntries(
    [...text.matchAll(/^modelwright_batch_rows_bucket\{version="([^"]+)",le="(\d+)"\} (\d+)$/gm)].flatMap(
      ([, version = "", bound, value]) => (Number(bound) === MAXIMUM_BATCH_ROWS ? [[version, Number(value)]] : []),
    ),
  );
  return { rows: read("sum"), isAnyTooLarge: JSON.stringify(within) !== JSON.stringify(read("count")) };
}

interface Asked {
  readonly endpoint: "delay" | "mirrored";
  readonly rows: number;
  readonly origin: number;
  readonly hour: number;
  readonly pauseMs: number;
}

/** Asks, and returns the version that says it answered, when every row of the answer is that version's. */
async function ask({ endpoint, rows, origin, hour }: Asked): Promise<keyof typeof BIASES> {
  const body = tensors(...Array.from({ length: rows }, () => [origin, hour, 0] as const));
  const response = await fetch(`${running.url}/v2/models/${endpoint}/infer`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as { model_version: string; outputs: [{ data: number[] }] };
  const version = `${endpoint}@${answer.model_version}` as keyof typeof BIASES;
  const [{ data }] = answer.outputs;
  expect(data).toHaveLength(rows);
  for (const value of data) expect(value).toBeCloseTo(expected(BIASES[version], origin, hour, 0), 5);
  return version;
}

test("however requests to champion, canary and shadow interleave, each run has rows of one version, and as many as it may", async () => {
  const hour = fc.double({ min: -1, max: 1, noNaN: true });
  const shared = { origin: fc.integer({ min: 0, max: 3 }), hour, pauseMs: fc.constantFrom(0, 0, 0, 1, 3) };
  const toDelay = fc.record<Asked>({ ...shared, endpoint: fc.constant("delay"), rows: fc.integer({ min: 1, max: 5 }) });
  const toMirrored = fc.record<Asked>({
    ...shared,
    endpoint: fc.constant("mirrored"),
    rows: fc.constant(SHADOWED_ROWS),
  });
  const answeredRows: Record<string, number> = {};
  const interleaving = fc.array(fc.oneof(toDelay, toMirrored), { minLength: 20, maxLength: 60 });
  const property = fc.asyncProperty(interleaving, async (asked) => {
    const count = async (each: Asked) => {
      const version = await ask(each);
      answeredRows[version] = (answeredRows[version] ?? 0) + each.rows;
    };
    const answers: Promise<void>[] = [];
    for (const each of asked) {
      answers.push(count(each));
      if (each.pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, each.pauseMs));
    }
    await Promise.all(answers);
  });
  await fc.assert(property, { numRuns: 25 });

  const shadow = () => source.reports.findLast((report) => report.shadow?.mirrored)?.shadow;
  const askedOf = (answeredRows["mirrored@1"] ?? 0) / SHADOWED_ROWS;
  await eventually("every mirrored request is reported", () => {
    const { mirrored = 0, shed = 0, compared = 0 } = shadow() ?? {};
    return mirrored + shed === askedOf && compared === mirrored;
  });
  const { rows, isAnyTooLarge } = await ran();
  expect(rows).toEqual({ ...answeredRows, "mirrored@2": SHADOWED_ROWS * (shadow()?.mirrored ?? 0) });
  expect(isAnyTooLarge).toBe(false);
});
