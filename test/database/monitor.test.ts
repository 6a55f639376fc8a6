import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { monitoringSpecSchema, retrainPolicySchema, type RetrainPolicy } from "../../contracts/spec.ts";
import { createLifecycle, setLifecycleStatus } from "../../db/queries/lifecycle.ts";
import {
  createMonitor,
  findMonitor,
  listDriftChecks,
  listMonitors,
  recordDriftCheck,
  setMonitorActive,
} from "../../db/queries/monitor.ts";
import { decideRetrain, findRetrainDecision } from "../../db/queries/retrain.ts";
import { audited } from "../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { addArtifact, addLifecycle, addVersion, specFor } from "./sample.ts";

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(async () => {
  await test.close();
});

const spec = monitoringSpecSchema.parse({});
const policy = (values: Partial<RetrainPolicy> = {}) => retrainPolicySchema.parse({ cooldownMs: 0, ...values });

async function addMonitor(id: string, model: string) {
  const version = await addVersion(test.database, model, `${model} bytes`);
  return await audited(test.database).transaction(async (tx) =>
    createMonitor(tx, {
      id,
      model,
      modelVersion: version.id,
      lifecycle: null,
      spec,
      schedule: spec.schedule,
      baselineProfile: await addArtifact(tx, "profile"),
    }),
  );
}

let nights = 0;
async function addHarm(monitor: string) {
  nights += 1;
  return await audited(test.database).transaction((tx) =>
    recordDriftCheck(tx, {
      monitor,
      scheduledAt: new Date(Date.UTC(2001, 5, nights)),
      window: { from: "2001-06-01", to: "2001-06-02" },
      dataDigest: null,
      reportDigest: null,
      verdict: "drifted",
      driftedColumns: ["distance"],
      harm: true,
    }),
  );
}

const decide = (driftCheckId: string, values: Partial<RetrainPolicy> = {}) =>
  audited(test.database).transaction((tx) =>
    decideRetrain(tx, { driftCheckId, policy: policy(values), lifecycleId: `retrain-${driftCheckId}` }),
  );

/** The lifecycle a decision asked for comes, and ends. */
async function live(decision: { id: string; lifecycle: string | null }, model: string): Promise<void> {
  await audited(test.database).transaction(async (tx) => {
    const id = decision.lifecycle ?? "";
    await createLifecycle(tx, {
      id,
      spec: specFor(model),
      startedBy: "scheduler",
      reason: "harm",
      causedBy: decision.id,
    });
  });
}
const end = (id: string | null) =>
  audited(test.database).transaction((tx) => setLifecycleStatus(tx, { id: id ?? "", status: "completed" }));

describe("monitors", () => {
  it("are one monitor under one id, and listed while active", async () => {
    const made = await addMonitor("m-list", "listed");
    expect(await findMonitor(test.database, "m-list")).toEqual(made);
    expect(await listMonitors(test.database, { model: "listed" })).toEqual([made]);
    await audited(test.database).transaction((tx) => setMonitorActive(tx, { id: "m-list", active: false }));
    expect(await listMonitors(test.database, { model: "listed" })).toEqual([]);
  });

  it("have one check a scheduled time: the first record stays", async () => {
    await addMonitor("m-once", "checked");
    const record = (verdict: "stable" | "insufficient") =>
      audited(test.database).transaction((tx) =>
        recordDriftCheck(tx, {
          monitor: "m-once",
          scheduledAt: new Date("2001-06-03T03:00:00Z"),
          window: { from: "2001-06-02", to: "2001-06-03" },
          dataDigest: null,
          reportDigest: null,
          verdict,
          driftedColumns: [],
          harm: false,
        }),
      );
    const checks = await Promise.all([record("stable"), record("stable"), record("insufficient")]);
    expect(new Set(checks.map(({ id }) => id)).size).toBe(1);
    expect(await listDriftChecks(test.database, "m-once")).toEqual([checks[0]]);
  });
});

describe("the retrain decision", () => {
  it("starts one lifecycle when many checks find harm at once", async () => {
    await addMonitor("m-flight", "single-flight");
    const checks = [];
    for (let index = 0; index < 6; index += 1) checks.push(await addHarm("m-flight"));
    const decisions = await Promise.all(checks.map(({ id }) => decide(id)));
    expect(decisions.map(({ decision }) => decision).sort()).toEqual([
      ...Array.from({ length: 5 }, () => "in-flight"),
      "start",
    ]);
  });

  it("is taken once for a check, whatever became of the policy since", async () => {
    await addMonitor("m-once-decided", "once-decided");
    const { id } = await addHarm("m-once-decided");
    const attempts = await Promise.all([decide(id), decide(id), decide(id)]);
    expect(attempts[0]).toMatchObject({ decision: "start", lifecycle: `retrain-${id}`, model: "once-decided" });
    expect(attempts).toEqual([attempts[0], attempts[0], attempts[0]]);
    expect(await decide(id, { enabled: false })).toEqual(attempts[0]);
    expect(await findRetrainDecision(test.database, id)).toEqual(attempts[0]);
  });

  it("waits for a lifecycle that runs, whoever started it", async () => {
    await addMonitor("m-busy", "busy");
    await addLifecycle(test.database, "lc-by-hand", "busy");
    const refused = await decide((await addHarm("m-busy")).id);
    expect(refused).toMatchObject({ decision: "in-flight", lifecycle: null });
    expect(refused.reason).toContain("lc-by-hand");
    await end("lc-by-hand");
    expect((await decide((await addHarm("m-busy")).id)).decision).toBe("start");
  });

  it("keeps the cooldown, the budget and the switch", async () => {
    await addMonitor("m-policy", "policed");
    expect((await decide((await addHarm("m-policy")).id, { enabled: false })).decision).toBe("disabled");
    expect((await decide((await addHarm("m-policy")).id, { budget: 0 })).decision).toBe("budget");
    const first = await decide((await addHarm("m-policy")).id);
    expect(first.decision).toBe("start");
    await live(first, "policed");
    await end(first.lifecycle);
    expect((await decide((await addHarm("m-policy")).id, { cooldownMs: 60_000 })).decision).toBe("cooldown");
    expect((await decide((await addHarm("m-policy")).id, { budget: 1 })).decision).toBe("budget");
    const second = await decide((await addHarm("m-policy")).id, { budget: 2 });
    expect(second.decision).toBe("start");
  });

  it("does not wait for ever for a lifecycle that never came up", async () => {
    await addMonitor("m-lost", "lost");
    const lost = await decide((await addHarm("m-lost")).id);
    expect((await decide((await addHarm("m-lost")).id)).decision).toBe("in-flight");
    await test.admin.query("SET session_replication_role = replica");
    await test.admin.query("UPDATE retrain_decision SET at = at - interval '25 hours' WHERE id = $1", [lost.id]);
    await test.admin.query("SET session_replication_role = DEFAULT");
    expect((await decide((await addHarm("m-lost")).id)).decision).toBe("start");
  });

  it("refuses a check nobody recorded", async () => {
    await expect(decide("01900000-0000-7000-8000-000000000000")).rejects.toMatchObject({ code: "REFERENCE_UNKNOWN" });
  });
});
