import { randomUUID } from "node:crypto";

import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";

import type { RolloutResult } from "../../contracts/messages.ts";
import { UPDATES, workflowIds } from "../../contracts/names.ts";
import { approve, decideWhenAsked, failureOf, request, startLifecycle, startWorkflow } from "./start.ts";
import { catalogued, rolloutInput } from "./stub-activities.ts";
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

const ended = () => stage.stubs.inputsOf("endLifecycle")[0];
const UP_TO_EVALUATION = [
  "acceptSpec",
  "snapshotData",
  "validateData",
  "trainModel",
  "admitModel",
  "optimizeModel",
  "evaluateModel",
] as const;

describe("a model lifecycle", () => {
  it("runs its stages in order, waits for an approval, deploys, watches and records its end", async () => {
    const handle = await startLifecycle(stage.client, id, { approvalRequired: true, endpoint: id, monitored: true });
    await decideWhenAsked(handle, approve);
    expect(await handle.result()).toEqual({ status: "completed", reason: "looked at step 2" });
    const named = stage.stubs.namesOf(id).filter((name) => !/Traffic|Rollout$/.test(name) || name === "planRollout");
    expect(named).toEqual([
      ...UP_TO_EVALUATION,
      "awaitApproval",
      "recordDecision",
      "planRollout",
      "recordDeployment",
      "startMonitor",
      "endLifecycle",
    ]);
    expect(ended()).toMatchObject({ status: "completed", failureCode: null });
  });

  it("needs no person, endpoint or monitor where the spec names none", async () => {
    const handle = await startLifecycle(stage.client, id);
    expect((await handle.result()).status).toBe("completed");
    expect(stage.stubs.namesOf(id)).toEqual([...UP_TO_EVALUATION, "endLifecycle"]);
  });

  it.each(["fail", "inconclusive"] as const)(
    "ends failed at a gate that says %s, and does nothing after it",
    async (verdict) => {
      stage.stubs.set({ evaluateModel: async () => ({ stageRunId: "s", verdict, headline: "AUC 0.58 of 0.6" }) });
      const handle = await startLifecycle(stage.client, id, { approvalRequired: true, endpoint: id, monitored: true });
      expect(await handle.result()).toEqual({ status: "failed", reason: "AUC 0.58 of 0.6" });
      expect(stage.stubs.namesOf(id)).toEqual([...UP_TO_EVALUATION, "endLifecycle"]);
      expect(ended()).toMatchObject({ status: "failed", failureCode: null });
    },
  );

  it("trains nothing on data that failed validation", async () => {
    stage.stubs.set({ validateData: async () => ({ stageRunId: "s", verdict: "fail", headline: "9 % nulls" }) });
    const handle = await startLifecycle(stage.client, id);
    expect(await handle.result()).toEqual({ status: "failed", reason: "9 % nulls" });
    expect(stage.stubs.namesOf(id)).toEqual(["acceptSpec", "snapshotData", "validateData", "endLifecycle"]);
  });

  it("records the catalogue's code of a failed activity, does nothing after it and fails with it", async () => {
    stage.stubs.set({
      trainModel: async () => {
        throw catalogued("TRAINER_EXITED", "trainer ended with code 1");
      },
    });
    const handle = await startLifecycle(stage.client, id);
    expect(await failureOf(handle.result())).toBe("TRAINER_EXITED");
    expect(stage.stubs.namesOf(id)).toEqual([...UP_TO_EVALUATION.slice(0, 4), "endLifecycle"]);
    expect(ended()).toMatchObject({
      status: "failed",
      reason: "trainer ended with code 1",
      failureCode: "TRAINER_EXITED",
    });
  });

  it("tries an unexpected error of a stage again", async () => {
    let attempts = 0;
    stage.stubs.set({
      snapshotData: async () => {
        attempts += 1;
        if (attempts === 1) throw new Error("connection reset");
        return { stageRunId: "s", verdict: "pass", headline: "" };
      },
    });
    const handle = await startLifecycle(stage.client, id);
    expect((await handle.result()).status).toBe("completed");
    expect(attempts).toBe(2);
  });

  it("goes on in a later round without deploying what an earlier round deployed", async () => {
    stage.stubs.set({ planRollout: async () => null });
    const handle = await startLifecycle(stage.client, id, { endpoint: id, monitored: true }, 2);
    expect(await handle.result()).toEqual({ status: "completed", reason: "deployed in an earlier round" });
    expect(stage.stubs.namesOf(id).slice(-3)).toEqual(["planRollout", "startMonitor", "endLifecycle"]);
    expect(stage.stubs.inputsOf("trainModel")).toEqual([{ lifecycleId: id, round: 2 }]);
  });

  it("fails as busy when another rollout runs on its endpoint, and leaves that one alone", async () => {
    stage.stubs.set({
      lookAtRollout: async () => ({ verdict: "hold", stepDone: false, reason: "open" }),
      planRollout: async () => rolloutInput("shared"),
    });
    const other = await startWorkflow(
      stage.client,
      "canaryRollout",
      workflowIds.rollout("shared"),
      rolloutInput("shared"),
    );
    const busy = await startLifecycle(stage.client, id, { endpoint: "shared" });
    expect(await failureOf(busy.result())).toBe("ENDPOINT_BUSY");
    expect(ended()).toMatchObject({ lifecycleId: id, status: "failed", failureCode: "ENDPOINT_BUSY" });
    expect(stage.stubs.inputsOf("closeRollout")).toEqual([]);
    await other.executeUpdate(UPDATES.rollback, { args: [request] });
    expect(await other.result()).toMatchObject({ status: "aborted" });
  });

  it("waits for its turn where the rollout that runs lets others wait, and then rolls out", async () => {
    stage.stubs.set({ lookAtRollout: async () => ({ verdict: "hold", stepDone: false, reason: "open" }) });
    stage.stubs.set({ planRollout: async () => ({ ...rolloutInput("queued"), rolloutId: "queued-2" }) });
    const first = { ...rolloutInput("queued"), rolloutId: "queued-1" };
    const other = await startWorkflow(stage.client, "canaryRollout", workflowIds.rollout("queued"), first);
    stage.stubs.set({
      waitTurn: async () => {
        stage.stubs.set({ lookAtRollout: async () => ({ verdict: "promote", stepDone: true, reason: "safe" }) });
        await other.result();
        return { mayStart: true };
      },
    });
    const handle = await startLifecycle(stage.client, id, { endpoint: "queued" });
    expect(await handle.result()).toMatchObject({ status: "completed", reason: "safe" });
    expect(stage.stubs.inputsOf("waitTurn")).toMatchObject([{ rolloutId: "queued-2" }]);
    expect(stage.stubs.inputsOf("closeRollout").map(({ rolloutId }) => rolloutId)).toEqual(["queued-1", "queued-2"]);
  });

  it("is no more than a rollout by hand in that: one waits for its turn, and is taken back while it does", async () => {
    stage.stubs.set({ lookAtRollout: async () => ({ verdict: "hold", stepDone: false, reason: "open" }) });
    const first = { ...rolloutInput("by-hand"), rolloutId: "by-hand-1" };
    const other = await startWorkflow(stage.client, "canaryRollout", workflowIds.rollout("by-hand"), first);
    stage.stubs.set({
      waitTurn: async ({ rolloutId }) => {
        if (rolloutId === "by-hand-3") await other.result();
        return { mayStart: rolloutId === "by-hand-3" };
      },
    });
    const [taken, kept] = await Promise.all(
      ["by-hand-2", "by-hand-3"].map((rolloutId) =>
        startWorkflow<RolloutResult>(stage.client, "deploymentInTurn", workflowIds.deployment(rolloutId), {
          ...first,
          rolloutId,
        }),
      ),
    );
    await taken?.executeUpdate(UPDATES.abort, { args: [request] });
    expect(await taken?.result()).toMatchObject({ status: "aborted", reason: "grace: looked wrong" });
    expect(stage.stubs.inputsOf("leaveTurn")).toEqual([{ rolloutId: "by-hand-2" }]);
    stage.stubs.set({ lookAtRollout: async () => ({ verdict: "promote", stepDone: true, reason: "safe" }) });
    expect(await kept?.result()).toMatchObject({ rolloutId: "by-hand-3", status: "promoted" });
    expect(stage.stubs.inputsOf("openRollout").map(({ rolloutId }) => rolloutId)).toEqual(["by-hand-1", "by-hand-3"]);
  });

  it("ends failed when its canary is rolled back, and watches nothing", async () => {
    stage.stubs.set({
      lookAtRollout: async () => ({ verdict: "rollback", stepDone: false, reason: "errors tripled" }),
    });
    const handle = await startLifecycle(stage.client, id, { endpoint: id, monitored: true });
    expect(await handle.result()).toEqual({ status: "failed", reason: "errors tripled" });
    expect(stage.stubs.inputsOf("recordDeployment")).toEqual([
      { lifecycleId: id, round: 1, rollout: { rolloutId: `${id}-1`, status: "rolled-back", reason: "errors tripled" } },
    ]);
    expect(stage.stubs.inputsOf("startMonitor")).toEqual([]);
  });
});
