import { randomUUID } from "node:crypto";

import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";

import { createTemporalSchedules } from "../../adapters/schedules/temporal.ts";
import { workflowIds } from "../../contracts/names.ts";
import { failureOf, startWorkflow } from "./start.ts";
import { catalogued } from "./stub-activities.ts";
import { until } from "./until.ts";
import { openWorkflowStage, type WorkflowStage } from "./workers.ts";

let stage: WorkflowStage;
beforeAll(async () => {
  stage = await openWorkflowStage(inject("temporalAddress"));
});
afterAll(async () => await stage.close());
beforeEach(() => stage.stubs.reset());

describe("the checkpoints of the audit log", () => {
  it("are signed on a schedule, for the first time at once, and at night after reading the whole log", async () => {
    const schedules = createTemporalSchedules(stage.client);
    await schedules.ensureCheckpoints();
    // Every control worker asks for it when it starts.
    await schedules.ensureCheckpoints();
    await until(() => stage.stubs.inputsOf("signCheckpoint").length > 0);
    expect(stage.stubs.inputsOf("signCheckpoint")).toEqual([{ whole: false }]);
    await stage.client.schedule.getHandle(workflowIds.auditCheckpoint("nightly")).backfill({
      start: new Date("2001-06-01T12:00:00Z"),
      end: new Date("2001-06-02T12:00:00Z"),
      overlap: "BUFFER_ALL",
    });
    await until(() => stage.stubs.inputsOf("signCheckpoint").length > 1);
    expect(stage.stubs.inputsOf("signCheckpoint")[1]).toEqual({ whole: true });
  });

  it("of a log that is not the one that was signed end the run as failed, after one attempt", async () => {
    stage.stubs.set({
      signCheckpoint: async () => {
        throw catalogued("AUDIT_NOT_SIGNED", "the log is forked");
      },
    });
    const id = workflowIds.auditCheckpoint(randomUUID());
    const handle = await startWorkflow(stage.client, "auditCheckpoint", id, { whole: false });
    expect(await failureOf(handle.result())).toBe("AUDIT_NOT_SIGNED");
    expect(stage.stubs.calls).toHaveLength(1);
  });
});

describe("the retention of the prediction log", () => {
  it("is looked after every night, however many workers ask for it", async () => {
    const schedules = createTemporalSchedules(stage.client);
    await schedules.ensureLogRetention();
    await schedules.ensureLogRetention();
    await stage.client.schedule.getHandle(workflowIds.logRetention).backfill({
      start: new Date("2001-06-01T12:00:00Z"),
      end: new Date("2001-06-02T12:00:00Z"),
      overlap: "BUFFER_ALL",
    });
    await until(() => stage.stubs.inputsOf("dropExpiredDays").length > 0);
    expect(stage.stubs.inputsOf("dropExpiredDays")[0]).toEqual({});
  });
});
