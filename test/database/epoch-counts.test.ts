import { randomUUID } from "node:crypto";

import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { RequestRecord } from "../../contracts/inference.ts";
import { lifecycleSpecSchema } from "../../contracts/spec.ts";
import { createId } from "../../db/identifiers.ts";
import { observeVersion } from "../../db/queries/canary-health.ts";
import { countedLatencyQuantile } from "../../db/queries/counted.ts";
import { countEpochs } from "../../db/queries/epoch-counts.ts";
import { recordFeedback } from "../../db/queries/feedback.ts";
import { createLifecycle } from "../../db/queries/lifecycle.ts";
import { ensureModel } from "../../db/queries/model.ts";
import { shipGatewayLog } from "../../db/queries/gateway-log.ts";
import { endRollout } from "../../db/queries/rollout.ts";
import { findPrediction } from "../../db/queries/prediction.ts";
import { loadRouting } from "../../db/queries/routing.ts";
import { observeTraffic } from "../../db/queries/traffic.ts";
import { openDatabaseAccess } from "../../local/database-access.ts";
import { rowsOf, tallyRequests } from "../../serving/log/batch.ts";
import { audited } from "../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { insertPredictions } from "../support/predictions.ts";
import { openCanary, type OpenCanary } from "./open-canary.ts";
import { plan, specFor } from "./sample.ts";

const EDGES = [0.3, 0.6];
const SLOW_ABOVE_MS = 5;
const DAY_MS = 86_400_000;

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(async () => {
  await test.close();
});

const shift = { name: "prediction-shift", maximumRatio: 2, edges: EDGES } as const;
const judged = { plan: { ...plan, guardrails: [...plan.guardrails, shift] }, latencyThresholdMs: SLOW_ABOVE_MS };
const serve = (endpoint: string, lifecycle: string | null = null) =>
  openCanary(test.database, { endpoint, lifecycle, ...judged });

const countsOf = ({ endpoint }: OpenCanary) =>
  countEpochs(test.database, { endpoint, rollout: endpoint, latencyThresholdMs: SLOW_ABOVE_MS, edges: EDGES });

type Kind = Pick<
  RequestRecord,
  "epoch" | "arm" | "assigned" | "routingKeyHash" | "latencyMs" | "outcome" | "rowCount"
> & {
  readonly scores: readonly number[];
};

/** A request the canary answered. */
const ANSWERED = {
  epoch: 2,
  arm: "canary",
  assigned: true,
  latencyMs: 1,
  outcome: "ok",
  rowCount: 1,
  scores: [0.9],
} as const;

function recordOf(
  { endpoint, champion, canary }: OpenCanary,
  kind: Kind,
  atMs: number,
  sampled: boolean,
): RequestRecord {
  const scores =
    kind.outcome === "ok" ? Array.from({ length: kind.rowCount }, (_, row) => kind.scores[row] ?? 0.5) : [];
  const first = scores[0];
  return {
    ...kind,
    id: createId(),
    endpoint,
    versionId: kind.arm === "champion" ? champion : canary,
    atMs,
    scores,
    decisions: scores.map((score) => (score >= 0.5 ? 1 : 0)),
    judged: {
      slow: kind.latencyMs > SLOW_ABOVE_MS,
      range: first === undefined ? null : EDGES.filter((edge) => first >= edge).length,
      ranges: EDGES.length + 1,
    },
    fields: null,
    sampled,
  };
}

async function ship(
  records: readonly RequestRecord[],
  spool: string,
  fromByte: number,
  toByte: number,
): Promise<number> {
  const batch = { spool, gateway: "g", fromByte, toByte, droppedRows: 0, acceptedRows: null };
  return await shipGatewayLog(test.database, { ...batch, ...tallyRequests(records) });
}

const kinds = fc.array(
  fc.record({
    epoch: fc.constantFrom(2, 3),
    arm: fc.constantFrom("champion" as const, "canary" as const),
    assigned: fc.boolean(),
    routingKeyHash: fc.constantFrom(null, null, "ada", "grace", "alan"),
    latencyMs: fc.constantFrom(1, 5, 5.5, 900),
    outcome: fc.constantFrom("ok" as const, "ok" as const, "error" as const, "shed" as const),
    rowCount: fc.constantFrom(1, 1, 3),
    scores: fc.array(fc.constantFrom(0.1, 0.3, 0.5, 0.6, 0.9), { minLength: 3, maxLength: 3 }),
  }),
  { minLength: 1, maxLength: 40 },
);

describe("counts of a rollout", () => {
  it("are the same from gateways that count as from a whole log, in any order, twice, and with most rows sampled out", async () => {
    let run = 0;
    const property = fc.asyncProperty(kinds, async (given) => {
      run++;
      const [counting, logging] = [await serve(`counting-${run}`), await serve(`logging-${run}`)];
      const now = Date.now();
      const counted = given.map((kind, index) => recordOf(counting, kind, now + index, index % 4 === 0));
      const logged = given.map((kind, index) => recordOf(logging, kind, now + index, true));
      await insertPredictions(
        test.database,
        logged
          .flatMap(rowsOf)
          .map(({ versionId, fields, ...row }) => ({ ...row, modelVersion: versionId, features: fields })),
      );
      const [late, early] = [randomUUID(), randomUUID()];
      const half = Math.ceil(counted.length / 2);
      await ship(counted.slice(half), late, 0, 10);
      await ship(counted.slice(0, half), early, 0, 10);
      expect(await ship(counted.slice(0, half), early, 0, 10)).toBe(10);
      expect(await countsOf(counting)).toEqual(await countsOf(logging));
    });
    await fc.assert(property, { numRuns: 12 });
  });

  it("take labels of keys from what was counted, and of other requests from what was sampled", async () => {
    const served = await serve("labelled");
    const now = Date.now();
    const keyed = recordOf(served, { ...ANSWERED, routingKeyHash: "ada" }, now, false);
    const kept = recordOf(served, { ...ANSWERED, routingKeyHash: null }, now, true);
    const left = recordOf(served, { ...ANSWERED, routingKeyHash: null }, now, false);
    await ship([keyed, kept, left], randomUUID(), 0, 1);
    const labels = [keyed, kept, left].map(({ id }) => ({ inferenceId: id, label: 0 as const, at: null }));
    await audited(test.database).transaction((tx) => recordFeedback(tx, labels));
    const [counts] = await countsOf(served);
    expect([counts?.requests.canary, counts?.labelled.canary, counts?.wrong.canary]).toEqual([3, 2, 2]);
  });

  it("tell that a version answers nothing any more, and how long its answers take, though the log keeps none of them", async () => {
    const served = await serve("unlogged");
    const { endpoint, canary: version } = served;
    const minute = Math.floor(Date.now() / 60_000) * 60_000;
    const requests = (count: number, atMs: number, changes: Partial<Kind>) =>
      Array.from({ length: count }, () =>
        recordOf(served, { ...ANSWERED, epoch: 3, routingKeyHash: null, ...changes }, atMs, false),
      );
    const question = { endpoint, rollout: endpoint, version, arm: "canary", requests: 20 } as const;
    const newest = async () => (await observeVersion(test.database, question)).newest;
    await ship(
      [...requests(90, minute - 60_000, {}), ...requests(10, minute - 60_000, { latencyMs: 900 })],
      randomUUID(),
      0,
      1,
    );
    expect(await newest()).toEqual({ requests: 100, errors: 0 });
    await ship(
      [...requests(19, minute, { outcome: "error" }), ...requests(9, minute, { outcome: "shed" })],
      randomUUID(),
      0,
      1,
    );
    expect(await newest()).toEqual({ requests: 119, errors: 19 });
    await ship(requests(1, minute, { outcome: "error" }), randomUUID(), 0, 1);
    expect(await newest()).toEqual({ requests: 20, errors: 20 });

    const slowest = (quantile: number, since = minute - 60_000) =>
      countedLatencyQuantile(test.database, { endpoint, modelVersion: version, since: new Date(since), quantile });
    expect(await slowest(0.9)).toEqual({ latencyMs: 1, sampleCount: 129 });
    expect(await slowest(0.95)).toEqual({ latencyMs: 1000, sampleCount: 129 });
    expect(await slowest(0.95, minute + 60_000)).toBeNull();
  });

  it("are what the route tells gateways to count by", async () => {
    const { endpoint } = await serve("routed");
    const [routing] = await loadRouting(test.database, { endpoint });
    expect(routing?.counting).toEqual({ slowAboveMs: SLOW_ABOVE_MS, edges: EDGES });
    expect(routing?.log).toBeNull();
  });

  it("leave to the spec of the endpoint's newest lifecycle what is kept besides", async () => {
    const log = { sampleShare: 0.5, fields: { distance: { keep: "hash" as const } } };
    const spec = lifecycleSpecSchema.parse({ ...specFor("kept"), deployment: { endpoint: "kept", log } });
    await audited(test.database).transaction(async (tx) => {
      await ensureModel(tx, "kept");
      await createLifecycle(tx, { id: "kept-1", spec, startedBy: "ada", reason: "", causedBy: null });
    });
    await serve("kept", "kept-1");
    const settings = async () => (await loadRouting(test.database, { endpoint: "kept" }))[0]?.log;
    expect(await settings()).toEqual(log);
    await audited(test.database).transaction((tx) =>
      endRollout(tx, { id: "kept", status: "rolled-back", outcome: "harm" }),
    );
    expect(await settings()).toBeNull();
  });
});

describe("a gateway's journal", () => {
  it("is taken once, in order, and its rows balance", async () => {
    const served = await serve("balanced");
    const record = () => recordOf(served, { ...ANSWERED, routingKeyHash: null }, Date.now(), true);
    const spool = randomUUID();
    const batch = { spool, gateway: "g", fromByte: 0, toByte: 100, droppedRows: 2, acceptedRows: 10 };
    await shipGatewayLog(test.database, { ...batch, ...tallyRequests([record(), record()]) });
    const balance = async () => {
      const { rows } = await test.admin.query(
        "SELECT accepted::int, written::int, spilled::int, dropped::int FROM gateway_log WHERE spool = $1",
        [spool],
      );
      return rows[0] as unknown;
    };
    expect(await balance()).toEqual({ accepted: 10, written: 2, spilled: 6, dropped: 2 });
    // A part that is known, then what a successor brings that does not know how many there ever were.
    expect(await ship([record()], spool, 50, 150)).toBe(100);
    expect(await ship([record(), record(), record()], spool, 100, 150)).toBe(150);
    expect(await balance()).toEqual({ accepted: 10, written: 5, spilled: 3, dropped: 2 });
  });

  it("keeps ids and columns whatever stands in them", async () => {
    const served = await serve("spelled");
    const id = `a "quoted\\ id, {of} NULL ${randomUUID()}`;
    const fields = [{ word: 'b "quoted\\ word, {of} NULL', number: 1e-7, none: null, empty: "" }];
    const record = recordOf(served, { ...ANSWERED, routingKeyHash: null }, Date.now(), true);
    await ship([{ ...record, id, fields, scores: [] }], randomUUID(), 0, 1);
    expect(await findPrediction(test.database, id)).toMatchObject({
      features: fields[0],
      routingKeyHash: null,
      score: null,
    });
  });

  it("tells a plan its traffic exactly though most rows are sampled out", async () => {
    const served = await serve("planned");
    const records = Array.from({ length: 40 }, (_, index) => {
      const outcome = index % 10 === 9 ? ("error" as const) : ("ok" as const);
      return recordOf(
        served,
        { ...ANSWERED, arm: "champion", routingKeyHash: null, outcome, latencyMs: index % 2 === 0 ? 1 : 9 },
        Date.now(),
        index < 8,
      );
    });
    await ship(records, randomUUID(), 0, 1);
    const asked = { endpoint: served.endpoint, champion: served.champion, windowMs: 3_600_000, latencyFloorMs: 5 };
    expect(await observeTraffic(test.database, asked)).toMatchObject({
      requests: 40,
      championRequests: 40,
      errors: 4,
      aboveFloor: 20,
    });
  });
});

describe("old days of the prediction log", () => {
  it("are dropped by the owner, on record, with their keys; labels and counts stay", async () => {
    const served = await serve("dropped");
    const old = recordOf(served, { ...ANSWERED, routingKeyHash: "ada" }, Date.now() - 30 * DAY_MS, true);
    const yesterday = recordOf(served, { ...ANSWERED, routingKeyHash: "ada" }, Date.now() - DAY_MS, true);
    const now = recordOf(served, { ...ANSWERED, routingKeyHash: "grace" }, Date.now(), true);
    await ship(
      [old, yesterday, now].map((record) => ({ ...record, fields: [{ distance: 7 }] })),
      randomUUID(),
      0,
      1,
    );
    expect((await findPrediction(test.database, now.id))?.features).toEqual({ distance: 7 });

    const owner = openDatabaseAccess({ DATABASE_ADMIN_URL: test.adminUrl });
    const today = new Date().toISOString().slice(0, 10);
    const drop = (before: string) => owner.dropPredictions({ before, by: "ada", reason: "ninety days are over" });
    const tomorrow = new Date(Date.now() + DAY_MS).toISOString().slice(0, 10);
    await expect(drop(tomorrow)).rejects.toMatchObject({ code: "INPUT_INVALID", message: /is judged by that log/ });
    const dropped = await drop(today);
    await owner.close();

    expect(dropped.days).toContain(new Date(Date.now() - DAY_MS).toISOString().slice(0, 10));
    expect(await Promise.all([old, yesterday, now].map(({ id }) => findPrediction(test.database, id)))).toEqual([
      null,
      null,
      expect.objectContaining({ inferenceId: now.id }),
    ]);
    const { rows: left } = await test.admin.query<{ units: number; requests: number }>(
      `SELECT (SELECT count(*)::int FROM decision_unit WHERE endpoint = 'dropped') AS units,
        (SELECT sum(requests)::int FROM decision_count WHERE endpoint = 'dropped') AS requests`,
    );
    expect(left).toEqual([{ units: 1, requests: 3 }]);
    const { rows: said } = await test.admin.query<{ body: { before: string; rowCount: number } }>(
      "SELECT convert_from(body, 'UTF8')::jsonb -> 'body' AS body FROM audit_event WHERE kind = 'predictions-dropped'",
    );
    expect(said[0]?.body).toMatchObject({ before: today, rowCount: dropped.rowCount });
  });
});
