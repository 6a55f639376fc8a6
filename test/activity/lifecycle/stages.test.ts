import { appendFile } from "node:fs/promises";

import { Client, Connection } from "@temporalio/client";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";

import { digestFile } from "../../../adapters/artifacts/file-store.ts";
import { createLineageReader } from "../../../client/lineage.ts";
import { createReader } from "../../../client/reader.ts";
import type { LifecycleRun } from "../../../contracts/messages.ts";
import { listAlarms } from "../../../db/queries/alarm.ts";
import { verifyAudit } from "../../../db/queries/audit-log.ts";
import { loadRouting } from "../../../db/queries/routing.ts";
import { loadServingRecord } from "../../../serving/serving-record.ts";
import { loadLifecycle } from "../../../db/queries/lifecycle.ts";
import { openActivityStage, type ActivityStage } from "./activity-stage.ts";

let stage: ActivityStage;
const run: LifecycleRun = { lifecycleId: "whole", round: 1 };
const STAGES = ["snapshotData", "validateData", "trainModel", "admitModel", "optimizeModel", "evaluateModel"] as const;

beforeAll(async () => {
  stage = await openActivityStage();
});
afterAll(async () => await stage.close());

const MARGINS = { "kolmogorov-smirnov": 0.25, "jensen-shannon": 0.25, "null-rate": 0.1, "new-category-rate": 0.1 };
const input = () => ({
  ...run,
  spec: stage.project.spec({
    approval: { required: true },
    deployment: { endpoint: "tiny" },
    monitoring: {
      schedule: "0 4 * * *",
      windowMs: 28 * 24 * 3600 * 1000,
      drift: { columns: ["hour"], checksPerFalseAlarm: 30, margins: MARGINS },
    },
  }),
  startedBy: "ada",
  causedBy: null,
});

/** Runs an activity twice; whatever the first wrote, the second writes nothing and answers the same. */
async function twice<Result>(work: () => Promise<Result>): Promise<Result> {
  const before = await stage.countRows();
  const first = await work();
  const after = await stage.countRows();
  expect(after).not.toEqual(before);
  expect(await work()).toEqual(first);
  expect(await stage.countRows()).toEqual(after);
  return first;
}

describe("the activities of a lifecycle, each run twice as after a lost answer", () => {
  it("accept a spec once", async () => {
    const accepted = await twice(() => stage.run("acceptSpec", input()));
    expect(accepted).toMatchObject({ approvalRequired: true, endpoint: "tiny", monitored: true });
  });

  it.each(STAGES)(
    "%s passes, records its rows, edges and audit event once, and answers the first result again",
    async (name) => {
      const outcome = await twice(() => stage.run(name, run));
      expect(outcome).toMatchObject({ verdict: "pass" });
      const { rows } = await stage.test.admin.query("SELECT attempt, result FROM stage_run WHERE id = $1", [
        outcome.stageRunId,
      ]);
      expect(rows).toMatchObject([{ attempt: 1, result: expect.anything() }]);
    },
  );

  it("decide an approval once, and let the run wait no more after it", async () => {
    await stage.run("awaitApproval", run);
    expect((await loadLifecycle(stage.test.database, "whole"))?.status).toBe("waiting");
    await twice(() => stage.run("recordDecision", { ...run, decision: "approve", by: "grace", reason: "good" }));
    expect((await loadLifecycle(stage.test.database, "whole"))?.status).toBe("running");
    expect(await stage.run("awaitApproval", run)).toEqual({ waiting: false });
    await expect(
      stage.run("recordDecision", { ...run, decision: "reject", by: "joan", reason: "late" }),
    ).rejects.toMatchObject({ type: "APPROVAL_NOT_WAITING" });
  });

  it("let an answer say that an approval lapsed, as of the question, though its stage passed", async () => {
    const { database, admin } = stage.test;
    const connection = await Connection.connect({ address: inject("temporalAddress") });
    const reader = createReader(database, new Client({ connection }));
    const lapsed = async () => {
      const { stages } = await reader.lifecycle("whole");
      return stages.flatMap((one) =>
        one.stage === "approve" || one.lapsed ? [[one.stage, one.status, one.lapsed]] : [],
      );
    };
    const expire = async (expiry: string) => {
      await admin.query("SET session_replication_role = replica");
      await admin.query(`UPDATE approval SET expires_at = ${expiry}`);
      await admin.query("SET session_replication_role = DEFAULT");
    };
    expect(await lapsed()).toEqual([["approve", "passed", null]]);
    await expire("decided_at");
    expect(await lapsed()).toEqual([["approve", "passed", expect.stringMatching(/^its approval expired; 1 approval/)]]);
    expect(await stage.run("planRollout", run)).toBe("unapproved");
    await expire("decided_at + interval '1 day'");
    expect(await lapsed()).toEqual([["approve", "passed", null]]);
    await connection.close();
  });

  it("deploy the first version, which has nobody to be compared with", async () => {
    const plan = await stage.run("planRollout", run);
    if (plan === null || plan === "unapproved") throw new Error("nothing to deploy");
    await twice(() => stage.run("openRollout", plan));
    const end = { rolloutId: plan.rolloutId, status: "promoted", reason: "first" } as const;
    await stage.withGateway("tiny", () => twice(() => stage.run("closeRollout", end)));
    await twice(() => stage.run("recordDeployment", { ...run, rollout: end }));
    const { rows } = await stage.test.admin.query("SELECT champion_share, canary_version FROM routing_epoch");
    expect(rows).toEqual([{ champion_share: 10_000, canary_version: null }]);
  });

  it("tell gateways the optimization that chose the version, by which they find how to serve it", async () => {
    const [routing] = await loadRouting(stage.test.database, { endpoint: "tiny" });
    const { artifacts } = stage.dependencies;
    const record = await loadServingRecord(routing!.champion!.optimization!, artifacts.localPath);
    expect(record).toMatchObject({
      model: routing!.champion!.digest,
      threads: 1,
      golden: { inputs: expect.anything() },
    });
  });

  it("plan no second rollout in a later round", async () => {
    expect(await stage.run("planRollout", { lifecycleId: "whole", round: 2 })).toBeNull();
  });

  it("watch the version, with one schedule", async () => {
    await twice(() => stage.run("startMonitor", run));
    expect([...stage.schedules]).toEqual([["tiny.v1", "0 4 * * *"]]);
  });

  it("count a window against the baseline once, and call one without rows insufficient", async () => {
    const checked = { monitorId: "tiny.v1", scheduledAt: "2001-03-01T00:00:00.000Z" };
    const counted = await twice(() => stage.run("checkDrift", checked));
    expect(counted).toMatchObject({ verdict: "stable", harm: false });
    const { spec } = input();
    const { digest } = await digestFile(spec.data.source.path);
    const { used } = await createLineageReader(stage.test.database).lineage(`drift-check/${counted.driftCheckId}`);
    const window = used.find(({ role }) => role === "window");
    // The check counted exactly these bytes, and they were cut from exactly those.
    expect(window?.ref).toMatch(/^artifact\/[0-9a-f]{64}$/);
    expect(used).toContainEqual({
      execution: window?.madeBy,
      ref: `source/${spec.data.source.path}#${digest}`,
      role: "source",
      madeBy: null,
    });
    const empty = { monitorId: "tiny.v1", scheduledAt: "2009-02-10T00:00:00.000Z" };
    expect(await twice(() => stage.run("checkDrift", empty))).toMatchObject({ verdict: "insufficient", harm: false });
  });

  it("raise one alarm for drift that is found night after night, and one for checks that cannot be made", async () => {
    const { spec } = input();
    const night = (day: number) => ({ monitorId: "tiny.v1", scheduledAt: `2001-06-${day}T00:00:00.000Z` });
    await appendFile(spec.data.source.path, "2001-06-10 12:00:00,1.5,500.25,ABQ,0\n".repeat(800));
    expect(await twice(() => stage.run("checkDrift", night(20)))).toMatchObject({ verdict: "drifted", harm: true });
    expect(await stage.run("checkDrift", night(21))).toMatchObject({ harm: true });
    await twice(() => stage.run("reportMissedCheck", { ...night(22), reason: "no such file" }));
    await stage.run("reportMissedCheck", { ...night(23), reason: "no such file" });
    expect(await listAlarms(stage.test.database, { open: true })).toMatchObject([
      { kind: "check-missed", subject: "monitor/tiny.v1", text: expect.stringContaining("no such file") },
      { kind: "drift", subject: "monitor/tiny.v1", text: expect.stringContaining("hour drifted between 2001-05-23") },
    ]);
  });

  it("end the run once: another end changes nothing", async () => {
    await twice(() => stage.run("endLifecycle", { ...run, status: "completed", reason: "done", failureCode: null }));
    await stage.run("endLifecycle", { ...run, status: "failed", reason: "late", failureCode: "TRAINER_EXITED" });
    expect(await loadLifecycle(stage.test.database, "whole")).toMatchObject({ status: "completed", failureCode: null });
  });

  it("leave one stage run a stage, one version, and an audit chain that verifies", async () => {
    const lifecycle = await loadLifecycle(stage.test.database, "whole");
    const ends = lifecycle?.stages.map(({ stage: name, status }) => `${name} ${status}`);
    expect(ends).toEqual(
      ["accept", "snapshot", "validate", "train", "admit", "optimize", "evaluate", "approve", "deploy", "monitor"].map(
        (name) => `${name} passed`,
      ),
    );
    const { rows } = await stage.test.admin.query("SELECT number, origin FROM model_version");
    expect(rows).toEqual([{ number: 1, origin: "trained" }]);
    expect(await verifyAudit(stage.test.database)).toMatchObject({ ok: true });
  });

  it("refuse to run an ended lifecycle again under its id, and another spec under the id of a running one", async () => {
    await expect(stage.run("acceptSpec", input())).rejects.toMatchObject({ type: "OPERATION_CONFLICT" });
    const second = { ...input(), lifecycleId: "second" };
    await stage.run("acceptSpec", second);
    const other = { ...second, spec: { ...second.spec, model: { name: "tiny", purpose: "another" } } };
    await expect(stage.run("acceptSpec", other)).rejects.toMatchObject({ type: "OPERATION_CONFLICT" });
  });

  it("say once what two specs say of their model alike: its owner too, who is kept as a pseudonym", async () => {
    const spec = stage.project.spec({ model: { name: "owned", owner: "crm", purpose: "one of two" } });
    for (const lifecycleId of ["owned-1", "owned-2"]) await stage.run("acceptSpec", { ...input(), lifecycleId, spec });
    const history = "SELECT attribute FROM registry_entry WHERE model = 'owned' ORDER BY id";
    expect((await stage.test.admin.query(history)).rows).toEqual([{ attribute: "purpose" }, { attribute: "owner" }]);
  });
});
