import { randomUUID } from "node:crypto";

import type { WorkflowHandle } from "@temporalio/client";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";

import type { RolloutOrder } from "../../contracts/messages.ts";
import { UPDATES } from "../../contracts/names.ts";
import { approve, decideWhenAsked, failureOf, request, startLifecycle } from "./start.ts";
import { catalogued, createDoor, rolloutInput, untilCancelled } from "./stub-activities.ts";
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
  id = `run-${randomUUID()}`;
});

const passed = { stageRunId: "s", verdict: "pass", headline: "" } as const;
const approved = async () => ({ status: "approved", by: ["grace"], says: "approved by grace" }) as const;
const missing = async () =>
  ({
    status: "waiting",
    missing: 1,
    by: ["grace"],
    says: "1 approval missing, by somebody other than the author",
  }) as const;
const ended = () => stage.stubs.inputsOf("endLifecycle")[0];
const pause = async (handle: WorkflowHandle) => await handle.executeUpdate(UPDATES.pause, { args: [request] });

describe("an approval", () => {
  it("is refused before the run waits for one, without asking Postgres", async () => {
    const door = createDoor();
    stage.stubs.set({
      snapshotData: async () => {
        await door.pass();
        return passed;
      },
    });
    const handle = await startLifecycle(stage.client, id, { approvalRequired: true });
    await door.reached;
    const early = handle.executeUpdate(UPDATES.decide, { args: [approve] });
    expect(await failureOf(early)).toBe("APPROVAL_NOT_WAITING");
    expect(stage.stubs.inputsOf("recordDecision")).toEqual([]);
    door.open();
    await decideWhenAsked(handle, approve);
    expect((await handle.result()).status).toBe("completed");
  });

  it("is taken from the moment the wait is recorded, before the run itself has heard that it waits", async () => {
    const recorded = createDoor();
    stage.stubs.set({
      awaitApproval: async () => {
        await recorded.pass();
        return { waiting: true };
      },
    });
    const handle = await startLifecycle(stage.client, id, { approvalRequired: true });
    await recorded.reached;
    await handle.executeUpdate(UPDATES.decide, { args: [approve] });
    recorded.open();
    expect((await handle.result()).status).toBe("completed");
    expect(stage.stubs.inputsOf("recordDecision")).toHaveLength(1);
  });

  it("by the author is refused by the validator, so that it leaves no trace in the history", async () => {
    const handle = await startLifecycle(stage.client, id, { approvalRequired: true });
    expect(await failureOf(decideWhenAsked(handle, { ...approve, by: "ada" }))).toBe("APPROVAL_BY_AUTHOR");
    const { events } = await handle.fetchHistory();
    expect((events ?? []).filter((event) => event.workflowExecutionUpdateAcceptedEventAttributes)).toEqual([]);
    expect(stage.stubs.inputsOf("recordDecision")).toEqual([]);
    await decideWhenAsked(handle, approve);
    expect((await handle.result()).status).toBe("completed");
  });

  it("that Postgres refuses reaches the caller as its failure, and the run goes on waiting", async () => {
    stage.stubs.set({
      recordDecision: async () => {
        throw catalogued("APPROVAL_BY_AUTHOR", "ADA started it");
      },
    });
    const handle = await startLifecycle(stage.client, id, { approvalRequired: true });
    expect(await failureOf(decideWhenAsked(handle, { ...approve, by: "ADA" }))).toBe("APPROVAL_BY_AUTHOR");
    stage.stubs.set({ recordDecision: approved });
    await handle.executeUpdate(UPDATES.decide, { args: [approve] });
    expect((await handle.result()).status).toBe("completed");
  });

  it("that is not the last one asked for is told what is missing, and the run waits until Postgres says approved", async () => {
    stage.stubs.set({ recordDecision: missing });
    const handle = await startLifecycle(stage.client, id, { approvalRequired: true, endpoint: id });
    expect(await decideWhenAsked(handle, approve)).toEqual(await missing());
    expect(stage.stubs.inputsOf("planRollout")).toEqual([]);
    stage.stubs.set({ recordDecision: approved });
    expect(await handle.executeUpdate(UPDATES.decide, { args: [{ ...approve, by: "linus" }] })).toEqual(
      await approved(),
    );
    expect((await handle.result()).status).toBe("completed");
  });

  it("stays when an answer that was given before it arrives after it", async () => {
    const late = createDoor();
    stage.stubs.set({
      recordDecision: async ({ by }) => {
        if (by === "linus") return await approved();
        await late.pass();
        return await missing();
      },
    });
    const handle = await startLifecycle(stage.client, id, { approvalRequired: true });
    const first = decideWhenAsked(handle, approve);
    await late.reached;
    const second = handle.executeUpdate(UPDATES.decide, { args: [{ ...approve, by: "linus" }] });
    await second;
    late.open();
    await first;
    expect((await handle.result()).status).toBe("completed");
  });

  it("that lapsed before the rollout is asked for again", async () => {
    const orders: RolloutOrder[] = ["unapproved", rolloutInput(id, { lifecycleId: id, round: 1 })];
    stage.stubs.set({ planRollout: async () => orders.shift() ?? null });
    const handle = await startLifecycle(stage.client, id, { approvalRequired: true, endpoint: id });
    await decideWhenAsked(handle, approve);
    await until(() => stage.stubs.inputsOf("awaitApproval").length === 2);
    await decideWhenAsked(handle, { ...approve, by: "linus" });
    expect((await handle.result()).status).toBe("completed");
    expect(stage.stubs.inputsOf("planRollout")).toHaveLength(2);
  });

  it("is asked for by a policy though the spec asks for none", async () => {
    const orders: RolloutOrder[] = ["unapproved", null];
    stage.stubs.set({ planRollout: async () => orders.shift() ?? null });
    const handle = await startLifecycle(stage.client, id, { approvalRequired: false, endpoint: id });
    await decideWhenAsked(handle, approve);
    expect((await handle.result()).status).toBe("completed");
  });

  it("is not waited for when somebody rejected the version before it was asked for", async () => {
    stage.stubs.set({ awaitApproval: async () => ({ waiting: false, rejected: "rejected by grace" }) });
    const handle = await startLifecycle(stage.client, id, { approvalRequired: true, endpoint: id });
    expect(await handle.result()).toEqual({ status: "rejected", reason: "rejected by grace" });
  });

  it("that is a rejection ends the run as rejected, with nothing deployed; the author may reject", async () => {
    const handle = await startLifecycle(stage.client, id, { approvalRequired: true, endpoint: id });
    await decideWhenAsked(handle, { decision: "reject", by: "ada", reason: "wrong month" });
    expect(await handle.result()).toEqual({ status: "rejected", reason: "rejected by ada: wrong month" });
    expect(stage.stubs.inputsOf("planRollout")).toEqual([]);
    expect(ended()).toMatchObject({ status: "rejected", failureCode: null });
  });

  it("is not asked for again when an earlier round was approved", async () => {
    stage.stubs.set({ awaitApproval: async () => ({ waiting: false }) });
    const handle = await startLifecycle(stage.client, id, { approvalRequired: true }, 2);
    expect((await handle.result()).status).toBe("completed");
    expect(stage.stubs.inputsOf("recordDecision")).toEqual([]);
  });
});

describe("an abort", () => {
  it("cancels the stage that runs, waits until it stopped, and ends the run as aborted", async () => {
    const order: string[] = [];
    const started = createDoor();
    stage.stubs.set({
      trainModel: async () => {
        void started.pass();
        return await untilCancelled(() => order.push("trainer stopped"));
      },
      endLifecycle: async () => {
        order.push("recorded");
      },
    });
    const handle = await startLifecycle(stage.client, id);
    await started.reached;
    await handle.executeUpdate(UPDATES.abort, { args: [request] });
    expect(await handle.result()).toEqual({ status: "aborted", reason: "grace: looked wrong" });
    expect(order).toEqual(["trainer stopped", "recorded"]);
    expect(stage.stubs.inputsOf("admitModel")).toEqual([]);
    expect(ended()).toMatchObject({ status: "aborted", failureCode: null });
  });

  it("while a person is waited for ends the run, and a decision after it is refused", async () => {
    const ending = createDoor();
    stage.stubs.set({ endLifecycle: ending.pass });
    const handle = await startLifecycle(stage.client, id, { approvalRequired: true });
    await until(() => stage.stubs.inputsOf("awaitApproval").length === 1);
    await handle.executeUpdate(UPDATES.abort, { args: [request] });
    await ending.reached;
    expect(await failureOf(handle.executeUpdate(UPDATES.decide, { args: [approve] }))).toBe("APPROVAL_NOT_WAITING");
    expect(stage.stubs.inputsOf("recordDecision")).toEqual([]);
    ending.open();
    expect((await handle.result()).status).toBe("aborted");
  });

  it("in the middle of a canary brings the traffic back before the run ends", async () => {
    stage.stubs.set({ lookAtRollout: async () => ({ verdict: "hold", stepDone: false, reason: "open" }) });
    const handle = await startLifecycle(stage.client, id, { endpoint: id });
    await until(() => stage.stubs.inputsOf("lookAtRollout").length > 1);
    await handle.executeUpdate(UPDATES.abort, { args: [request] });
    expect((await handle.result()).status).toBe("aborted");
    expect(stage.stubs.inputsOf("recordRequest")).toMatchObject([{ request: "abort", withdraws: id }]);
    expect(stage.stubs.inputsOf("closeRollout")).toMatchObject([{ rolloutId: `${id}-1`, status: "aborted" }]);
    expect(stage.stubs.namesOf(id).at(-1)).toBe("endLifecycle");
    expect(ended()).toMatchObject({ status: "aborted" });
  });

  it("that comes when everything is done does not turn a deployed version into an aborted one", async () => {
    const last = createDoor();
    stage.stubs.set({ startMonitor: last.pass });
    const handle = await startLifecycle(stage.client, id, { endpoint: id, monitored: true });
    await last.reached;
    await handle.executeUpdate(UPDATES.abort, { args: [request] });
    last.open();
    expect(await handle.result()).toEqual({ status: "completed", reason: "looked at step 2" });
  });
});

describe("a pause", () => {
  it("lets the stage that runs finish and holds the next one back until the run is resumed", async () => {
    const door = createDoor();
    stage.stubs.set({
      snapshotData: async () => {
        await door.pass();
        return passed;
      },
    });
    const handle = await startLifecycle(stage.client, id);
    await door.reached;
    await pause(handle);
    door.open();
    const requests = () => stage.stubs.inputsOf("recordRequest").length;
    await until(async () => {
      const { events } = await handle.fetchHistory();
      return (events ?? []).filter((event) => event.activityTaskCompletedEventAttributes).length === 2 + requests();
    });
    // An update is answered by a workflow task after the stage's end: had the run gone on, the next stage would be scheduled.
    await pause(handle);
    const { events } = await handle.fetchHistory();
    const scheduled = (events ?? []).filter((event) => event.activityTaskScheduledEventAttributes);
    expect(scheduled).toHaveLength(2 + requests());
    expect(stage.stubs.inputsOf("recordRequest")).toEqual(
      Array.from({ length: 2 }, () => ({ subject: `lifecycle/${id}`, request: "pause", ...request })),
    );
    await handle.executeUpdate(UPDATES.resume, { args: [request] });
    expect((await handle.result()).status).toBe("completed");
  });
});
