import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { PredictionRecord } from "../../contracts/inference.ts";
import { createId } from "../../db/identifiers.ts";
import { shipGatewayLog } from "../../db/queries/gateway-log.ts";
import { findPrediction } from "../../db/queries/prediction.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { PERMISSION_DENIED, refusalOf } from "./refusal.ts";

const DAY_MS = 86_400_000;
const VERSION = randomUUID();

let test: TestDatabase;
let spool = "";
beforeAll(async () => {
  test = await createTestDatabase();
});
beforeEach(() => {
  spool = randomUUID();
});
afterAll(async () => {
  await test.close();
});

const row = (values: Partial<PredictionRecord> = {}): PredictionRecord => ({
  inferenceId: createId(),
  requestRow: 0,
  endpoint: "live",
  epoch: 1,
  arm: "champion",
  assigned: true,
  versionId: VERSION,
  routingKeyHash: null,
  at: new Date(),
  latencyMs: 1,
  outcome: "ok",
  score: 0.5,
  decision: 1,
  fields: null,
  ...values,
});

const ship = (rows: readonly PredictionRecord[], fromByte = 0, toByte = 100) => {
  const stretch = { spool, gateway: "g", fromByte, toByte, counts: [], units: [] };
  return shipGatewayLog(test.database, { ...stretch, rows, droppedRows: 0, acceptedRows: null });
};

const found = ({ inferenceId }: PredictionRecord) => findPrediction(test.database, inferenceId);
const placeOf = async (): Promise<unknown> =>
  (await test.admin.query("SELECT shipped_to::int AS place, written::int FROM gateway_log WHERE spool = $1", [spool]))
    .rows[0];

const CALL = `ship_gateway_log(uuid, text, bigint, bigint, jsonb, jsonb, bigint, bigint, text[], integer[], text[], integer[], text[],
  boolean[], uuid[], text[], timestamptz[], double precision[], text[], double precision[], smallint[], jsonb[])`;

describe("rows that are copied", () => {
  // Without the call only COPY is left.
  beforeEach(() => test.admin.query(`REVOKE EXECUTE ON FUNCTION ${CALL} FROM modelwright_application`));
  afterEach(() => test.admin.query(`GRANT EXECUTE ON FUNCTION ${CALL} TO modelwright_application`));

  it("come out as they went in, whatever stands in them", async () => {
    const odd = 'a "quoted\\ text,\tof {NULL}\r\nand \\N, \\., é, 🙂';
    const rows = [
      row({ inferenceId: `${odd} ${createId()}`, routingKeyHash: odd, fields: { [odd]: odd, none: null, tiny: 1e-7 } }),
      row({ routingKeyHash: "", fields: {}, requestRow: 7, epoch: 2, arm: "canary", assigned: false, decision: 0 }),
      row({ outcome: "error", score: null, decision: null, latencyMs: 0 }),
      row({ score: 5e-324, latencyMs: 1.797e308 }),
    ];
    expect(await ship(rows)).toBe(100);
    for (const given of rows) {
      const { versionId, fields, ...rest } = given;
      expect(await found(given)).toEqual({ ...rest, modelVersion: versionId, features: fields });
    }
    expect(await placeOf()).toEqual({ place: 100, written: 4 });
  });

  it("go each to its day", async () => {
    const rows = [row(), row({ at: new Date(Date.now() + DAY_MS) })];
    await ship(rows);
    const { rows: days } = await test.admin.query<{ day: string }>(
      "SELECT tableoid::regclass::text AS day FROM prediction WHERE inference_id = ANY ($1) ORDER BY at",
      [rows.map(({ inferenceId }) => inferenceId)],
    );
    const nameOf = ({ at }: PredictionRecord) => `prediction_${at.toISOString().slice(0, 10).replaceAll("-", "")}`;
    expect(days.map(({ day }) => day)).toEqual(rows.map(nameOf));
  });

  it("are there once, however often their stretch is sent", async () => {
    const rows = [row()];
    await ship(rows);
    expect(await ship(rows)).toBe(100);
    expect(await ship([row()], 50, 150)).toBe(100);
    expect(await placeOf()).toEqual({ place: 100, written: 1 });
  });

  it("come with their stretch or not at all", async () => {
    const rows = [row(), row({ latencyMs: -1 })];
    expect(await refusalOf(ship(rows))).toBe(PERMISSION_DENIED);
    expect(await placeOf()).toBeUndefined();
    expect(await found(rows[0] as PredictionRecord)).toBeNull();
  });
});

describe("rows that cannot be copied", () => {
  it("of an id that is there already leave it as it is, and the others come", async () => {
    const [first, other] = [row(), row()];
    await ship([first]);
    expect(await ship([other, { ...first, score: 0.9 }], 100, 200)).toBe(200);
    expect(await found(first)).toMatchObject({ score: 0.5 });
    expect(await found(other)).toMatchObject({ score: 0.5 });
    expect(await placeOf()).toEqual({ place: 200, written: 3 });
  });

  it("of a day without a partition go to the others", async () => {
    const early = row({ inferenceId: `early ${createId()}`, at: new Date(Date.now() - 30 * DAY_MS) });
    await ship([early, row()]);
    expect(await found(early)).toMatchObject({ at: early.at });
    expect(await placeOf()).toEqual({ place: 100, written: 2 });
  });

  it("for want of the right to copy come all the same", async () => {
    await test.admin.query("REVOKE EXECUTE ON FUNCTION take_gateway_stretch FROM modelwright_application");
    const given = row();
    try {
      await ship([given]);
    } finally {
      await test.admin.query("GRANT EXECUTE ON FUNCTION take_gateway_stretch TO modelwright_application");
    }
    expect(await found(given)).not.toBeNull();
  });

  it("of values that Postgres refuses are refused, with all of their stretch", async () => {
    const rows = [row(), row({ latencyMs: -1 })];
    expect(await refusalOf(ship(rows))).toMatch(/latency_ms_check$/);
    expect(await placeOf()).toBeUndefined();
    expect(await found(rows[0] as PredictionRecord)).toBeNull();
  });
});
