import { describe, expect, it } from "vitest";

import type { EndpointRollbackResult } from "../../contracts/messages.ts";
import { UPDATES, workflowIds } from "../../contracts/names.ts";
import { endpoint, held, opened, stage, start, steps } from "./rollout-stage.ts";
import { failureOf, startWorkflow, request } from "./start.ts";
import { catalogued, createDoor } from "./stub-activities.ts";
import { until } from "./until.ts";

describe("a canary rollout", () => {
  it("moves traffic, waits for the gateways, and only then looks, step after step until it promotes", async () => {
    const handle = await start();
    expect(await handle.result()).toEqual({
      rolloutId: `${endpoint}-1`,
      status: "promoted",
      reason: "looked at step 2",
    });
    const step = (number: number) => [`shiftTraffic ${number}`, "confirmTraffic", `lookAtRollout ${number}`];
    expect(steps()).toEqual([...step(0), ...step(1), ...step(2), "closeRollout"]);
    expect(stage.stubs.inputsOf("lookAtRollout").map(({ number }) => number)).toEqual([1, 2, 3]);
  });

  it("looks again while a step lacks evidence, each look under the next number", async () => {
    let lookCount = 0;
    stage.stubs.set({
      lookAtRollout: async ({ step }) => {
        lookCount += 1;
        return { verdict: step === 2 ? "promote" : "hold", stepDone: lookCount > 1, reason: "" };
      },
    });
    await (await start()).result();
    expect(stage.stubs.inputsOf("lookAtRollout").map(({ step, number }) => [step, number])).toEqual([
      [0, 1],
      [0, 2],
      [1, 3],
      [2, 4],
    ]);
    expect(stage.stubs.inputsOf("shiftTraffic")).toHaveLength(3);
  });

  it("rolls back at the first look that says so, and shifts nothing after it", async () => {
    stage.stubs.set({
      lookAtRollout: async ({ step }) => ({
        verdict: step === 1 ? "rollback" : "hold",
        stepDone: true,
        reason: "errors 9 %",
      }),
    });
    const handle = await start();
    expect(await handle.result()).toMatchObject({ status: "rolled-back", reason: "errors 9 %" });
    expect(steps().slice(-3)).toEqual(["lookAtRollout 1", "withdrawCanary", "closeRollout"]);
  });

  it("gives the first version of an endpoint everything at once: there is nothing to compare with", async () => {
    stage.stubs.set({ openRollout: opened({ hasChampion: false }) });
    const handle = await start();
    expect(await handle.result()).toMatchObject({ status: "promoted", reason: expect.stringContaining("no champion") });
    expect(steps()).toEqual(["closeRollout"]);
  });

  it("never promotes at its deadline on evidence that is still open", async () => {
    stage.stubs.set({ openRollout: opened({ deadlineMs: 1 }), lookAtRollout: held });
    const handle = await start();
    expect(await handle.result()).toMatchObject({
      status: "rolled-back",
      reason: "the deadline passed without a verdict: too few labels",
    });
  });

  it("holds beyond its deadline when the plan says so", async () => {
    stage.stubs.set({
      openRollout: opened({ deadlineMs: 1, onDeadline: "hold" }),
      lookAtRollout: async ({ number }) => ({ verdict: number > 2 ? "promote" : "hold", stepDone: false, reason: "" }),
    });
    const handle = await start();
    expect(await handle.result()).toMatchObject({ status: "promoted" });
    expect(stage.stubs.inputsOf("lookAtRollout")).toHaveLength(3);
  });

  it("that is paused keeps the canary's share: it renews the lease and looks no more until it is resumed", async () => {
    stage.stubs.set({ lookAtRollout: held });
    const handle = await start();
    await until(() => stage.stubs.inputsOf("lookAtRollout").length > 0);
    await handle.executeUpdate(UPDATES.pause, { args: [request] });
    await until(() => stage.stubs.inputsOf("renewRolloutLease").length > 1);
    const looksAtPause = stage.stubs.inputsOf("lookAtRollout").length;
    await until(() => stage.stubs.inputsOf("renewRolloutLease").length > 2);
    expect(stage.stubs.inputsOf("lookAtRollout")).toHaveLength(looksAtPause);
    stage.stubs.set({ lookAtRollout: async () => ({ verdict: "promote", stepDone: true, reason: "safe" }) });
    await handle.executeUpdate(UPDATES.resume, { args: [request] });
    expect(await handle.result()).toMatchObject({ status: "promoted" });
  });

  it("goes on where a long run left off, without looking under a number again, and still paused: its clock stands still", async () => {
    const deadlineAt = Date.now() + 5_000;
    stage.stubs.set({
      lookAtRollout: async ({ step, number }) =>
        number === 41 ? held() : { verdict: step === 2 ? "promote" : "hold", stepDone: true, reason: "" },
    });
    const handle = await start({ resume: { step: 1, lookCount: 40, deadlineAt }, paused: true });
    await until(() => stage.stubs.inputsOf("renewRolloutLease").length > 1 && Date.now() > deadlineAt);
    expect(stage.stubs.inputsOf("lookAtRollout")).toEqual([]);
    await handle.executeUpdate(UPDATES.resume, { args: [request] });
    expect(await handle.result()).toMatchObject({ status: "promoted" });
    expect(stage.stubs.inputsOf("shiftTraffic").map(({ step }) => step)).toEqual([1, 2]);
    expect(stage.stubs.inputsOf("lookAtRollout").map(({ number }) => number)).toEqual([41, 42, 43]);
  });

  it("returns to the champion when a person asks, and refuses the second who asks", async () => {
    const closing = createDoor();
    stage.stubs.set({
      lookAtRollout: held,
      closeRollout: async (end) => {
        await closing.pass();
        return end;
      },
    });
    const handle = await start();
    await until(() => stage.stubs.inputsOf("lookAtRollout").length > 0);
    await handle.executeUpdate(UPDATES.rollback, { args: [request] });
    await closing.reached;
    expect(await failureOf(handle.executeUpdate(UPDATES.rollback, { args: [request] }))).toBe("ENDPOINT_BUSY");
    closing.open();
    expect(await handle.result()).toMatchObject({ status: "aborted", reason: "grace: looked wrong" });
    expect(stage.stubs.inputsOf("closeRollout")).toHaveLength(1);
  });

  it("refuses a rollback that comes while it promotes, instead of promising it in vain", async () => {
    const closing = createDoor();
    stage.stubs.set({
      closeRollout: async (end) => {
        await closing.pass();
        return end;
      },
    });
    const handle = await start();
    await closing.reached;
    expect(await failureOf(handle.executeUpdate(UPDATES.rollback, { args: [request] }))).toBe("ENDPOINT_BUSY");
    closing.open();
    expect(await handle.result()).toMatchObject({ status: "promoted" });
  });

  it("brings the traffic back when an activity fails in the middle, and fails with its code", async () => {
    stage.stubs.set({
      confirmTraffic: async () => {
        throw catalogued("GATEWAY_UNCONFIRMED", "gateway-1 did not confirm");
      },
    });
    const handle = await start();
    expect(await failureOf(handle.result())).toBe("GATEWAY_UNCONFIRMED");
    expect(stage.stubs.inputsOf("closeRollout")).toEqual([
      { rolloutId: `${endpoint}-1`, status: "rolled-back", reason: "gateway-1 did not confirm" },
    ]);
  });

  it("that is cancelled brings the traffic back all the same: undoing is not cancellable", async () => {
    stage.stubs.set({ lookAtRollout: held });
    const handle = await start();
    await until(() => stage.stubs.inputsOf("lookAtRollout").length > 0);
    await handle.cancel();
    expect(await handle.result()).toMatchObject({ status: "aborted", reason: "cancelled" });
    expect(stage.stubs.inputsOf("closeRollout")).toHaveLength(1);
  });

  it("tells the end that was recorded first when a failure hides that the promotion went through", async () => {
    stage.stubs.set({
      lookAtRollout: async () => {
        throw catalogued("STALE_ATTEMPT", "late");
      },
      closeRollout: async ({ rolloutId }) => ({ rolloutId, status: "promoted", reason: "recorded before" }),
    });
    const handle = await start();
    expect(await handle.result()).toMatchObject({ status: "promoted", reason: "recorded before" });
  });
});

describe("a rollout that is told of trouble", () => {
  it("looks at once, and not again for it", async () => {
    stage.stubs.set({ openRollout: opened({ lookIntervalMs: 600_000 }), lookAtRollout: held });
    const handle = await start();
    await until(() => stage.stubs.inputsOf("confirmTraffic").length > 0);
    const trouble = { updateId: `${endpoint}/2/1-0-0` };
    await Promise.all([handle.executeUpdate(UPDATES.look, trouble), handle.executeUpdate(UPDATES.look, trouble)]);
    await until(() => stage.stubs.inputsOf("lookAtRollout").length === 1);
    await handle.executeUpdate(UPDATES.look, { updateId: `${endpoint}/2/2-0-0` });
    await until(() => stage.stubs.inputsOf("lookAtRollout").length === 2);
    await handle.executeUpdate(UPDATES.rollback, { args: [request] });
    await handle.result();
    expect(stage.stubs.inputsOf("lookAtRollout")).toHaveLength(2);
  });
});

describe("a rollout whose plan gives way", () => {
  it("goes back to the champion at the look that sees a newer candidate, but not past harm", async () => {
    stage.stubs.set({
      lookAtRollout: async () => ({ verdict: "promote", stepDone: true, reason: "safe", givesWayTo: "newer" }),
    });
    expect(await (await start()).result()).toMatchObject({
      status: "aborted",
      reason: "it gives way to rollout newer",
    });
    expect(steps().slice(-2)).toEqual(["withdrawCanary", "closeRollout"]);
    stage.stubs.set({
      lookAtRollout: async () => ({ verdict: "rollback", stepDone: false, reason: "harm", givesWayTo: "newer" }),
    });
    expect(await (await start()).result()).toMatchObject({ status: "rolled-back", reason: "harm" });
  });
});

describe("endpoint rollback and registration", () => {
  it("restore the former champion, and register a model, with one activity each", async () => {
    const input = { endpoint, requestId: "request-1", ...request };
    const rollback = await startWorkflow<EndpointRollbackResult>(
      stage.client,
      "endpointRollback",
      workflowIds.rollout(endpoint),
      input,
    );
    expect(await rollback.result()).toEqual({ epoch: 7, champion: "flight-delay@1" });
    const file = {
      registrationId: "r",
      model: "own",
      modelPath: "/m.onnx",
      signaturePath: "/s.json",
      registeredBy: "ada",
    };
    const registration = await startWorkflow(
      stage.client,
      "modelRegistration",
      workflowIds.registration(endpoint),
      file,
    );
    expect(await registration.result()).toMatchObject({ model: "own", number: 1 });
    expect(stage.stubs.calls).toEqual([
      { name: "restoreFormerChampion", input },
      { name: "registerModel", input: file },
    ]);
  });
});
