import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Column, Tensor } from "../../../../contracts/data.ts";
import { logSettingsSchema, type LogSettings } from "../../../../contracts/log-settings.ts";
import { loadLogSalt } from "../../../../serving/log/log-salt.ts";
import { createFieldKeeper } from "../../../../serving/log/logged-fields.ts";
import { isSampled } from "../../../../serving/log/sample.ts";
import { eventually, runGateway, tensors } from "../running-gateway.ts";
import { MemoryRoutes, Models, route, SIGNATURE } from "../served-model.ts";

const keep = createFieldKeeper(Buffer.from("salt"));

/** Rows of (origin, hour, distance) as the client's columns, and as the tensors they become. */
const columns = new Map<string, Column>([
  ["origin", { kind: "text", codes: Int32Array.of(0, 1, -1), dictionary: ["JFK", "XXX"] }],
  ["hour", { kind: "number", values: Float64Array.of(18, Number.NaN, 6) }],
  ["distance", { kind: "number", values: Float64Array.of(800.25, 1300, 300) }],
]);
const encoded: readonly Tensor[] = [
  { name: "origin_code", datatype: "INT64", shape: [3], data: BigInt64Array.of(1n, 3n, 3n) },
  { name: "numbers", datatype: "FP32", shape: [3, 2], data: Float32Array.of(1, 0.0005, 0, 1, -1, -1) },
];
const kept = (fields: LogSettings["fields"], as: "columns" | "tensors" = "columns") =>
  keep({ sampleShare: 1, ...(fields && { fields }) }, SIGNATURE, {
    tensors: encoded,
    rowCount: 3,
    columns: as === "columns" ? columns : null,
  });

describe("what is kept of a request's columns", () => {
  test("is nothing unless the endpoint's settings name fields", () => {
    expect(kept(undefined)).toBeNull();
    expect(keep(undefined, SIGNATURE, { tensors: encoded, rowCount: 3, columns })).toBeNull();
  });

  test("is numbers and no text where nothing more is said", () => {
    expect(kept({})).toEqual([
      { hour: 18, distance: 800.25 },
      { hour: null, distance: 1300 },
      { hour: 6, distance: 300 },
    ]);
  });

  test("follows the rule of each field", () => {
    const rows = kept({
      origin: { keep: "hash" },
      hour: { keep: "bucket", edges: [6, 18] },
      distance: { keep: "drop" },
    });
    const [first, second, third] = rows ?? [];
    expect([first?.["hour"], second?.["hour"], third?.["hour"]]).toEqual([2, null, 1]);
    expect(first?.["origin"]).toMatch(/^[0-9a-f]{32}$/);
    expect(second?.["origin"]).not.toBe(first?.["origin"]);
    expect(third?.["origin"]).toBeNull();
    expect(JSON.stringify(rows)).not.toMatch(/JFK|distance/);
  });

  test("is text only where it is allowed", () => {
    expect(kept({ origin: { keep: "allow" } })?.[0]).toMatchObject({ origin: "JFK" });
  });

  test("is never a value in place of a range: text has none", () => {
    expect(kept({ origin: { keep: "bucket", edges: [1] } })?.[0]).not.toHaveProperty("origin");
  });

  test("is the same of tensors, as far as they tell", () => {
    const [first, second] = kept({ origin: { keep: "allow" } }, "tensors") ?? [];
    expect(first).toEqual({ origin: "JFK", hour: 18, distance: 800.25 });
    expect(second).toEqual({ origin: null, hour: 12, distance: 1300 });
  });

  test("hashes with a salt that gateways of one folder share, and other folders do not", async () => {
    const directory = mkdtempSync(join(tmpdir(), "modelwright-salt-"));
    const [one, same, other] = await Promise.all(
      ["a/salt", "a/salt", "b/salt"].map((name) => loadLogSalt(join(directory, name))),
    );
    rmSync(directory, { recursive: true });
    expect([one?.length, Buffer.compare(one!, same!)]).toEqual([32, 0]);
    expect(Buffer.compare(one!, other!)).not.toBe(0);
  });

  test("is refused with edges that do not rise, and without any row to keep", () => {
    const fields = { hour: { keep: "bucket", edges: [2, 1] } };
    expect(logSettingsSchema.safeParse({ fields }).success).toBe(false);
    expect(logSettingsSchema.safeParse({ sampleShare: 0 }).success).toBe(false);
  });
});

test("a share of ids is sampled, the same ones everywhere, and a larger share has all of a smaller one's", () => {
  const ids = Array.from({ length: 4_000 }, (_, index) => `id ${index}`);
  const at = (share: number) => ids.filter((id) => isSampled(id, share));
  expect(at(1)).toHaveLength(4_000);
  expect(Math.abs(at(0.25).length - 1_000)).toBeLessThan(120);
  expect(at(0.5)).toEqual(expect.arrayContaining(at(0.25)));
});

describe("a gateway", () => {
  let models: Models;
  beforeAll(() => {
    models = new Models();
  });
  afterAll(() => {
    models.remove();
  });

  test("counts every request and hands on the sampled rows alone, with what is kept of their columns", async () => {
    const log = { sampleShare: 0.5, fields: { hour: { keep: "bucket" as const, edges: [18] } } };
    const running = await runGateway(models, new MemoryRoutes(route(models.add(1, 0), { log })));
    const ids = Array.from({ length: 20 }, (_, index) => `call ${index}`);
    await Promise.all(ids.map((id) => running.infer({ ...tensors([0, 1, 2]), id })));
    await running.gateway.stop();
    const counted = running.counts.reduce((sum, { requests }) => sum + requests, 0);
    const sampled = ids.filter((id) => isSampled(id, 0.5));
    expect(counted).toBe(20);
    expect(running.rows.map(({ inferenceId }) => inferenceId).sort()).toEqual(sampled.sort());
    expect(new Set(running.rows.map(({ fields }) => JSON.stringify(fields)))).toEqual(
      new Set(['{"hour":1,"distance":1800}']),
    );
  });

  test("follows what is said of an epoch it serves already, also through a restart without Postgres", async () => {
    const version = models.add(1, 0);
    const source = new MemoryRoutes(route(version, { log: { sampleShare: 1, fields: {} } }));
    const running = await runGateway(models, source);
    const kept = async (gateway: typeof running, id: string) => {
      await gateway.infer({ ...tensors([0, 1, 2]), id });
      await eventually("its row", () => gateway.rows.some(({ inferenceId }) => inferenceId === id));
      return gateway.rows.find(({ inferenceId }) => inferenceId === id)?.fields;
    };
    expect(await kept(running, "before")).toEqual({ hour: 18, distance: 1800 });
    source.set(route(version, { log: { sampleShare: 1, fields: { distance: { keep: "drop" } } } }));
    let asked = 0;
    const follows = async (gateway: typeof running) =>
      JSON.stringify(await kept(gateway, `after ${(asked += 1)}`)) === '{"hour":18}';
    await eventually("the new settings", () => follows(running));
    await running.gateway.stop();
    source.away = true;
    const again = await runGateway(models, source);
    expect(await follows(again)).toBe(true);
    await again.gateway.stop();
  });
});
