import { MockActivityEnvironment } from "@temporalio/testing";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { changeLogSettings, dropExpiredDays } from "../../../activities/log-settings.ts";
import { logSettingsDeed } from "../../../contracts/deeds.ts";
import type { LogSettingsChange } from "../../../contracts/messages.ts";
import { createLifecycle } from "../../../db/queries/lifecycle.ts";
import { loadLogSettings } from "../../../db/queries/log-settings.ts";
import { ensureModel } from "../../../db/queries/model.ts";
import { loadRouting } from "../../../db/queries/routing.ts";
import { openCanary } from "../../database/open-canary.ts";
import { plan, specFor } from "../../database/sample.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { insertPredictions } from "../../support/predictions.ts";
import { addAccount } from "../identity/accounts.ts";

const DAY_MS = 86_400_000;
const SPEC_SAYS = { sampleShare: 0.5 };
let test: TestDatabase;

/** An endpoint whose running lifecycle's spec says something about its log. */
beforeAll(async () => {
  test = await createTestDatabase();
  const spec = specFor("served");
  const deployment = { ...spec.deployment, endpoint: "served", log: SPEC_SAYS };
  await audited(test.database).transaction(async (tx) => {
    await ensureModel(tx, "served");
    const given = { ...spec, deployment } as typeof spec;
    await createLifecycle(tx, { id: "served-1", spec: given, startedBy: "ada", reason: "", causedBy: null });
  });
  await openCanary(test.database, { endpoint: "served", plan, latencyThresholdMs: 5, lifecycle: "served-1" });
});
afterAll(async () => {
  await test.close();
});

let requests = 0;
/** What the step answers that sets something; the same request again is one change. */
function set(change: Partial<LogSettingsChange>): Promise<{ setting: string }> {
  const requestId = `request-${(requests += 1)}`;
  const none = { requestId, endpoint: "served", settings: null, retentionDays: null };
  const whole: LogSettingsChange = { ...none, by: "grace", reason: "a tenth is enough", ...change };
  return new MockActivityEnvironment().run(() => changeLogSettings(test, whole) as Promise<never>);
}
const drop = () => new MockActivityEnvironment().run(() => dropExpiredDays(test, {}) as Promise<never>);
const inForce = async (asOf?: string) =>
  (await loadRouting(test.database, { endpoint: "served", ...(asOf && { asOf }) }))[0]?.log;
const events = async (kind: string) => {
  const { rows } = await test.admin.query<{ body: object; actor: string; subject: string }>(
    "SELECT actor, subject, convert_from(body, 'UTF8')::jsonb -> 'body' AS body FROM audit_event WHERE kind = $1 ORDER BY seq",
    [kind],
  );
  return rows;
};
const now = async () => {
  const { rows } = await test.admin.query<{ now: Date }>("SELECT clock_timestamp() AS now");
  return rows[0]?.now.toISOString();
};

describe("what is kept of an endpoint's requests", () => {
  it("is what somebody set, until it is taken back, and then what the spec says; as of any moment", async () => {
    expect(await inForce()).toMatchObject(SPEC_SAYS);
    const before = await now();
    const settings = { sampleShare: 0.1, fields: { distance: { keep: "hash" } } };
    await set({ settings });
    expect(await inForce()).toEqual(settings);
    const [{ endpoints }, then] = await Promise.all([loadLogSettings(test.database), now()]);
    expect(endpoints).toEqual([
      { endpoint: "served", settings, set: expect.objectContaining({ setBy: expect.stringMatching(/^person\//) }) },
    ]);
    await set({ settings: null });
    expect(await inForce()).toMatchObject(SPEC_SAYS);
    expect(await Promise.all([before, then].map(inForce))).toEqual([expect.objectContaining(SPEC_SAYS), settings]);
    expect(await loadLogSettings(test.database, new Date(then ?? ""))).toMatchObject({ endpoints: [{ settings }] });
    expect(await events("log-settings-set")).toMatchObject([
      { subject: "endpoint/served", body: { settings: expect.stringMatching(/^[0-9a-f]{64}$/) } },
      { subject: "endpoint/served", body: { settings: null } },
    ]);
  });

  it("is refused for a column that no version has, and for an endpoint that nobody serves", async () => {
    const fields = { distnce: { keep: "drop" } };
    await expect(set({ settings: { fields } })).rejects.toMatchObject({
      code: "INPUT_INVALID",
      message: expect.stringMatching(/no column distnce; allowed: distance/),
    });
    await expect(set({ endpoint: "elsewhere", settings: {} })).rejects.toMatchObject({ code: "INPUT_INVALID" });
    expect(await inForce()).toMatchObject(SPEC_SAYS);
  });

  it("is an operator's to say, where somebody signs it", async () => {
    const operator = await addAccount(test.database, { roles: ["operator"], model: "served" });
    const engineer = await addAccount(test.database, { roles: ["engineer"], model: "served" });
    const change = { requestId: "signed", endpoint: "served", settings: { sampleShare: 0.2 }, retentionDays: null };
    const signed = (account: typeof operator, what: typeof change) =>
      set({ ...what, by: account.ref, proof: account.prove(logSettingsDeed(what), "a tenth is enough") });
    await expect(signed(engineer, change)).rejects.toMatchObject({ code: "DEED_NOT_ALLOWED" });
    const days = { ...change, requestId: "whole", endpoint: null, settings: null, retentionDays: 9 } as never;
    await expect(signed(operator, days)).rejects.toMatchObject({ code: "DEED_NOT_ALLOWED" });
    const made = await signed(operator, change);
    expect(await signed(operator, change)).toEqual(made);
    await set({ settings: null });
  });

  it("is only ever added to, and says one thing a row", async () => {
    const recorded = (row: object) =>
      test.database.execute(sql`SELECT record_log_settings(${JSON.stringify([row])}::jsonb)`).then(
        () => "recorded",
        (thrown: Error) => String(thrown.cause),
      );
    const id = "00000000-0000-7000-8000-00000000000a";
    const whole = { id, endpoint: null, settings: { sampleShare: 1 }, set_by: "service/x", reason: "" };
    expect(await recorded(whole)).toMatch(/log_settings_of_one_thing/);
    expect(await recorded({ ...whole, endpoint: "served", retention_days: 3 })).toMatch(/log_settings_of_one_thing/);
    await expect(test.admin.query("UPDATE log_settings SET settings = NULL")).rejects.toThrow(/append/);
  });
});

describe("days of the log whose time is over", () => {
  const at = (daysAgo: number) => new Date(Date.now() - daysAgo * DAY_MS);
  const isoDay = (daysAgo: number) => at(daysAgo).toISOString().slice(0, 10);
  const left = async () => (await test.admin.query("SELECT FROM prediction")).rowCount;
  const rolloutSince = async (daysAgo: number) => {
    await test.admin.query("ALTER TABLE rollout DISABLE TRIGGER USER");
    await test.admin.query("UPDATE rollout SET started_at = $1", [at(daysAgo)]);
    await test.admin.query("ALTER TABLE rollout ENABLE TRIGGER USER");
  };

  it("are dropped by the retention that is set and no other, on record; what a running rollout needs stays", async () => {
    const [from, to] = [isoDay(20), isoDay(19)];
    await test.admin.query(
      `CREATE TABLE prediction_${from.replaceAll("-", "")} PARTITION OF prediction FOR VALUES FROM ('${from} 00:00+00') TO ('${to} 00:00+00')`,
    );
    const [routing] = await loadRouting(test.database, { endpoint: "served" });
    const answered = {
      endpoint: "served",
      epoch: 1,
      arm: "champion",
      assigned: true,
      modelVersion: routing?.champion?.versionId ?? "",
      routingKeyHash: null,
      latencyMs: 1,
      outcome: "ok",
      score: 0.5,
      decision: 1,
      features: null,
    } as const;
    const days = [40, 20, 7, 3, 0];
    await insertPredictions(
      test.database,
      days.map((daysAgo) => ({ ...answered, inferenceId: `from ${daysAgo}`, at: at(daysAgo) })),
    );
    expect(await drop()).toEqual({ before: null, dayCount: 0, rowCount: 0 });
    await set({ endpoint: null, retentionDays: 5 });
    expect(await loadLogSettings(test.database)).toMatchObject({ retention: { days: 5 } });
    await rolloutSince(10);
    expect(await drop()).toEqual({ before: isoDay(10), dayCount: 1, rowCount: 2 });
    expect(await left()).toBe(3);
    await rolloutSince(0);
    expect(await drop()).toEqual({ before: isoDay(5), dayCount: 0, rowCount: 1 });
    expect(await drop()).toEqual({ before: isoDay(5), dayCount: 0, rowCount: 0 });
    const who = { actor: "service/retention", subject: "prediction-log/all" };
    expect(await events("predictions-dropped")).toMatchObject([
      { ...who, body: { before: isoDay(10), rowCount: 2 } },
      { ...who, body: { before: isoDay(5), rowCount: 1 } },
    ]);
    await set({ endpoint: null, retentionDays: null });
    expect(await drop()).toMatchObject({ before: null });
  });
});
