import { randomUUID } from "node:crypto";

import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";

import { createTemporalSchedules } from "../../adapters/schedules/temporal.ts";
import type { DriftCheckResult, RetrainOutcome } from "../../contracts/messages.ts";
import { workflowIds } from "../../contracts/names.ts";
import { failureOf, lifecycleInput, startWorkflow } from "./start.ts";
import { catalogued, createDoor } from "./stub-activities.ts";
import { until } from "./until.ts";
import { openWorkflowStage, type WorkflowStage } from "./workers.ts";

let stage: WorkflowStage;
let id: string;

beforeAll(async () => {
  stage = await openWorkflowStage(inject("temporalAddress"));
});
afterAll(async () => await stage.close());
beforeEach(() => {
  stage.stubs.reset();
  id = `monitor-${randomUUID().slice(0, 8)}`;
});

const NIGHT = "2001-06-02T03:00:00.000Z";
const check = async (workflowId = workflowIds.monitor(id)) =>
  await startWorkflow<DriftCheckResult>(stage.client, "driftCheck", workflowId, { monitorId: id, scheduledAt: NIGHT });
const harm = async () => ({ driftCheckId: `check-${id}`, verdict: "drifted", harm: true }) as const;
const retrain = async (): Promise<RetrainOutcome> => ({
  decision: "start",
  lifecycle: lifecycleInput(`retrain-${id}`, {}),
});

describe("a drift check", () => {
  it("that a schedule starts counts the window of its scheduled time, also when it is caught up years later", async () => {
    const schedules = createTemporalSchedules(stage.client);
    await schedules.ensure({ monitorId: id, cron: "0 3 * * *" });
    // Repeating changes nothing: the monitor's activity may run twice.
    await schedules.ensure({ monitorId: id, cron: "0 3 * * *" });
    await stage.client.schedule.getHandle(workflowIds.monitor(id)).backfill({
      start: new Date("2001-06-01T12:00:00Z"),
      end: new Date("2001-06-03T12:00:00Z"),
      overlap: "BUFFER_ALL",
    });
    await until(() => stage.stubs.inputsOf("checkDrift").length === 2);
    expect(stage.stubs.inputsOf("checkDrift")).toEqual([
      { monitorId: id, scheduledAt: "2001-06-02T03:00:00.000Z" },
      { monitorId: id, scheduledAt: "2001-06-03T03:00:00.000Z" },
    ]);
    await schedules.remove(id);
    await schedules.remove(id);
  });

  it("without a scheduled time is refused: a window may not end at whatever the time is now", async () => {
    const handle = await startWorkflow(stage.client, "driftCheck", workflowIds.monitor(id), { monitorId: id });
    expect(await failureOf(handle.result())).toBe("INPUT_INVALID");
    expect(stage.stubs.calls).toEqual([]);
  });

  it("that finds no harm asks for no retraining", async () => {
    const handle = await check();
    expect(await handle.result()).toEqual({
      driftCheckId: "check-1",
      verdict: "stable",
      harm: false,
      retrain: null,
      lifecycleId: null,
    });
    expect(stage.stubs.inputsOf("decideRetrain")).toEqual([]);
  });

  it("that finds harm asks the policy, and starts nothing when the policy says no", async () => {
    stage.stubs.set({ checkDrift: harm });
    const handle = await check();
    expect(await handle.result()).toMatchObject({ harm: true, retrain: "cooldown", lifecycleId: null });
    expect(stage.stubs.inputsOf("decideRetrain")).toEqual([{ driftCheckId: `check-${id}` }]);
    expect(stage.stubs.inputsOf("acceptSpec")).toEqual([]);
  });

  it("starts a lifecycle that outlives it", async () => {
    const door = createDoor();
    stage.stubs.set({
      checkDrift: harm,
      decideRetrain: retrain,
      snapshotData: async () => {
        await door.pass();
        return { stageRunId: "s", verdict: "pass", headline: "" };
      },
    });
    const handle = await check();
    expect(await handle.result()).toMatchObject({ retrain: "start", lifecycleId: `retrain-${id}` });
    await door.reached;
    door.open();
    const lifecycle = stage.client.workflow.getHandle(workflowIds.lifecycle(`retrain-${id}`));
    expect(await lifecycle.result()).toMatchObject({ status: "completed" });
  });

  it("that is run again finds its lifecycle started and neither fails nor starts it a second time", async () => {
    stage.stubs.set({ checkDrift: harm, decideRetrain: retrain });
    await (await check()).result();
    const lifecycle = stage.client.workflow.getHandle(workflowIds.lifecycle(`retrain-${id}`));
    await lifecycle.result();
    const { runId } = await lifecycle.describe();
    const again = await check(`${workflowIds.monitor(id)}-again`);
    expect(await again.result()).toMatchObject({ retrain: "start", lifecycleId: `retrain-${id}` });
    expect((await lifecycle.describe()).runId).toBe(runId);
  });

  it("that cannot be made fails, and somebody is told why: nobody looks for what is not there", async () => {
    stage.stubs.set({
      checkDrift: async () => {
        throw catalogued("FILE_MISSING", "flights.parquet: no such file");
      },
    });
    expect(await failureOf((await check()).result())).toBe("FILE_MISSING");
    expect(stage.stubs.inputsOf("reportMissedCheck")).toEqual([
      { monitorId: id, scheduledAt: NIGHT, reason: "flights.parquet: no such file" },
    ]);
  });
});
