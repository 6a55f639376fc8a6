import { describe, expect, it } from "vitest";

import type { Request } from "../../contracts/messages.ts";
import { UPDATES } from "../../contracts/names.ts";
import { endpoint, held, opened, RENEWALS, stage, start, steps } from "./rollout-stage.ts";
import { failureOf, request } from "./start.ts";
import { createDoor } from "./stub-activities.ts";
import { until } from "./until.ts";

describe("the phases of a rollout", () => {
  it("mirror first: no share before the answers are shown to agree, and none at all when they differ", async () => {
    let looks = 0;
    stage.stubs.set({
      openRollout: opened({ shadowed: true }),
      lookAtShadow: async () => ({ verdict: "hold", stepDone: (looks += 1) > 1, reason: "" }),
      lookAtRollout: async () => ({ verdict: "promote", stepDone: true, reason: "safe" }),
    });
    await (await start()).result();
    expect(steps()).toEqual([
      "beginShadow",
      "confirmTraffic",
      "lookAtShadow",
      "lookAtShadow",
      "shiftTraffic 0",
      "confirmTraffic",
      "lookAtRollout 0",
      "closeRollout",
    ]);
    expect(stage.stubs.inputsOf("lookAtRollout").map(({ number }) => number)).toEqual([3]);
    stage.stubs.reset();
    stage.stubs.set({
      openRollout: opened({ shadowed: true }),
      lookAtShadow: async () => ({ verdict: "rollback", stepDone: false, reason: "they differ" }),
    });
    expect(await (await start()).result()).toMatchObject({ status: "rolled-back", reason: "they differ" });
    expect(steps()).toEqual(["beginShadow", "confirmTraffic", "lookAtShadow", "withdrawCanary", "closeRollout"]);
  });

  it("bake: the last step does not promote before its time, however safe it is, and harm still goes back", async () => {
    stage.stubs.set({
      openRollout: opened({ stepCount: 1, steps: [500], bakeMs: 3_600_000 }),
      lookAtRollout: async ({ number }) => ({
        verdict: number < 5 ? "promote" : "rollback",
        stepDone: true,
        reason: "",
      }),
    });
    expect(await (await start()).result()).toMatchObject({ status: "rolled-back" });
    const at = { step: 0, lookCount: 9, deadlineAt: Date.now() + 600_000 };
    stage.stubs.set({ lookAtRollout: async () => ({ verdict: "promote", stepDone: true, reason: "safe" }) });
    const baked = await start({ resume: { ...at, bakedAt: Date.now() - 1 } });
    expect(await baked.result()).toMatchObject({ status: "promoted" });
  });

  it("observe: everything is the new version's while the former stays warm, and then the rollout ends", async () => {
    stage.stubs.set({ openRollout: opened({ stepCount: 1, steps: [500], observeMs: 50 }) });
    stage.stubs.set({ lookAtRollout: async () => ({ verdict: "promote", stepDone: true, reason: "safe" }) });
    expect(await (await start()).result()).toMatchObject({ status: "promoted", reason: "safe" });
    const seen = steps();
    expect(seen.slice(3, 6)).toEqual(["promoteCanary", "confirmTraffic", "lookAtPromotion"]);
    expect(seen.at(-1)).toBe("closeRollout");
    expect(seen).not.toContain("withdrawCanary");
  });

  it("observe: what trips goes back at once, and so does what somebody asks for", async () => {
    const promoting = {
      openRollout: opened({ stepCount: 1, steps: [500], observeMs: 600_000 }),
      lookAtRollout: async () => ({ verdict: "promote", stepDone: true, reason: "safe" }) as const,
    };
    stage.stubs.set({
      ...promoting,
      lookAtPromotion: async () => ({ verdict: "rollback", stepDone: false, reason: "crash loop" }),
    });
    expect(await (await start()).result()).toMatchObject({ status: "rolled-back", reason: "crash loop" });
    expect(steps().slice(-2)).toEqual(["withdrawCanary", "closeRollout"]);
    stage.stubs.reset();
    stage.stubs.set(promoting);
    const handle = await start();
    await until(() => stage.stubs.inputsOf("lookAtPromotion").length > 0);
    // There is no evidence left to go past.
    expect(await failureOf(handle.executeUpdate(UPDATES.promote, { args: [request] }))).toBe("ENDPOINT_BUSY");
    await handle.executeUpdate(UPDATES.rollback, { args: [request] });
    expect(await handle.result()).toMatchObject({ status: "aborted", reason: "grace: looked wrong" });
    expect(steps().slice(-2)).toEqual(["withdrawCanary", "closeRollout"]);
  });

  it("go on where a long run left off: mirroring, or observing what it promoted", async () => {
    const at = { step: 0, lookCount: 9, deadlineAt: Date.now() + 600_000 };
    stage.stubs.set({ openRollout: opened({ shadowed: true, observeMs: 50 }) });
    const observing = { until: Date.now() + 50, reason: "safe", hand: request };
    expect(await (await start({ resume: { ...at, observing } })).result()).toMatchObject({ reason: "safe" });
    expect(stage.stubs.inputsOf("closeRollout").at(-1)).toMatchObject({ hand: request });
    expect(steps().slice(0, 3)).toEqual(["promoteCanary", "confirmTraffic", "lookAtPromotion"]);
    stage.stubs.reset();
    stage.stubs.set({ openRollout: opened({ shadowed: true }) });
    stage.stubs.set({ lookAtRollout: async () => ({ verdict: "promote", stepDone: true, reason: "safe" }) });
    await (await start({ resume: { ...at, shadowing: true } })).result();
    expect(steps()[0]).toBe("beginShadow");
    expect(stage.stubs.inputsOf("lookAtShadow").map(({ number }) => number)).toEqual([10]);
  });
});

describe("people past a rollout's evidence", () => {
  const share = (basisPoints: number, override = false) => ({ ...request, share: { basisPoints, override } });

  it("promote it at once, between two looks, and the end says that it was an override", async () => {
    stage.stubs.set({ openRollout: opened({ lookIntervalMs: 60_000 }), lookAtRollout: held });
    const handle = await start();
    await until(() => stage.stubs.inputsOf("confirmTraffic").length > 0);
    await handle.executeUpdate(UPDATES.promote, { args: [request] });
    expect(await handle.result()).toMatchObject({
      status: "promoted",
      reason: "override by grace, past the evidence: looked wrong",
    });
    expect(stage.stubs.inputsOf("recordRequest")).toEqual([
      { subject: `rollout/${endpoint}-1`, request: "promote", ...request },
    ]);
    // Traffic moves in his name, and not in that of whoever started the rollout.
    expect(stage.stubs.inputsOf("closeRollout")).toMatchObject([{ status: "promoted", hand: request }]);
  });

  it("do not promote against harm that a look finds meanwhile", async () => {
    const looking = createDoor();
    stage.stubs.set({
      lookAtRollout: async () => {
        await looking.pass();
        return { verdict: "rollback", stepDone: false, reason: "errors 9 %" };
      },
    });
    const handle = await start();
    await looking.reached;
    await handle.executeUpdate(UPDATES.promote, { args: [request] });
    looking.open();
    expect(await handle.result()).toMatchObject({ status: "rolled-back", reason: "errors 9 %" });
  });

  it("set a share that its step earned: looks go on, the ramp holds, and resuming brings the plan's share back", async () => {
    stage.stubs.set({ openRollout: opened({}), lookAtRollout: held });
    const handle = await start();
    await until(() => stage.stubs.inputsOf("confirmTraffic").length > 0);
    await handle.executeUpdate(UPDATES.share, { args: [share(100)] });
    await until(() => stage.stubs.inputsOf("setShare").length === 1);
    stage.stubs.set({ lookAtRollout: async () => ({ verdict: "promote", stepDone: true, reason: "safe" }) });
    const looksThen = stage.stubs.inputsOf("lookAtRollout").length;
    await until(() => stage.stubs.inputsOf("lookAtRollout").length > looksThen + 2);
    expect(stage.stubs.inputsOf("closeRollout")).toEqual([]);
    await handle.executeUpdate(UPDATES.resume, { args: [request] });
    expect(await handle.result()).toMatchObject({ status: "promoted", reason: "safe" });
    expect(stage.stubs.inputsOf("setShare")).toEqual([
      { rolloutId: `${endpoint}-1`, number: 1, basisPoints: 100, by: "grace", reason: "looked wrong" },
      { rolloutId: `${endpoint}-1`, number: 2, basisPoints: 500, by: null, reason: "the plan's share again" },
    ]);
  });

  it("are refused more than the step allows, unless it is an override, and anything without a reason", async () => {
    stage.stubs.set({ openRollout: opened({}), lookAtRollout: held });
    const handle = await start();
    const ask = (asked: object) => handle.executeUpdate(UPDATES.share, { args: [asked as Request] });
    await until(() => stage.stubs.inputsOf("lookAtRollout").length > 0);
    for (const asked of [share(501), share(0), share(1.5), share(10_000, true)]) {
      expect(await failureOf(ask(asked))).toBe("SHARE_NOT_EARNED");
    }
    expect(await failureOf(ask({ ...share(100), reason: " " }))).toBe("INPUT_INVALID");
    await ask(share(9999, true));
    await until(() => stage.stubs.inputsOf("setShare").length === 1);
    expect(stage.stubs.inputsOf("recordRequest")).toMatchObject([{ share: { basisPoints: 9999, override: true } }]);
    await handle.terminate();
  });

  it("take a share that is not set yet, and a promotion, along when a long run is continued", async () => {
    const handle = await start({
      resume: { step: 1, lookCount: 40, deadlineAt: Date.now() + 600_000 },
      pinned: true,
      change: { number: 3, basisPoints: 700, by: "grace", reason: "careful" },
      shareChanges: 3,
      promote: request,
    });
    expect(await handle.result()).toMatchObject({ status: "promoted", reason: expect.stringContaining("override") });
    expect(stage.stubs.inputsOf("lookAtRollout")).toEqual([]);
  });
});

describe("a rollout that must go back", () => {
  it("has the traffic back before anything else is recorded, and while nothing else can be", async () => {
    const recording = createDoor();
    stage.stubs.set({
      lookAtRollout: held,
      closeRollout: async (end) => {
        await recording.pass();
        return end;
      },
    });
    const handle = await start();
    await until(() => stage.stubs.inputsOf("lookAtRollout").length > 0);
    await handle.executeUpdate(UPDATES.rollback, { args: [request] });
    await recording.reached;
    expect(stage.stubs.inputsOf("withdrawCanary")).toEqual([
      { rolloutId: `${endpoint}-1`, endpoint, hand: { by: "grace", reason: "looked wrong" } },
    ]);
    // Where Postgres cannot say whether he may ask, it is known what to withdraw meanwhile.
    expect(stage.stubs.inputsOf("recordRequest")).toMatchObject([{ request: "rollback", withdraws: endpoint }]);
    expect(steps().slice(-2)).toEqual(["withdrawCanary", "closeRollout"]);
    recording.open();
    await handle.result();
  });

  it("renews no lease while Postgres cannot say whether the asker may: the canary's share ends by itself", async () => {
    const checking = createDoor();
    stage.stubs.set({
      lookAtRollout: held,
      recordRequest: async (asked) => {
        if (asked.request === "rollback") await checking.pass();
        return asked;
      },
    });
    const handle = await start();
    await until(() => stage.stubs.inputsOf("lookAtRollout").length > 0);
    const rollback = handle.executeUpdate(UPDATES.rollback, { args: [request] });
    await checking.reached;
    const renewals = () => stage.stubs.calls.filter(({ name }) => RENEWALS.has(name)).length;
    // One look may have been under way. Each update takes longer than the time between two looks.
    const passTime = async () => {
      await handle.executeUpdate(UPDATES.pause, { args: [request] });
      await handle.executeUpdate(UPDATES.resume, { args: [request] });
    };
    await passTime();
    const then = renewals();
    await passTime();
    await passTime();
    expect(renewals()).toBe(then);
    checking.open();
    await rollback;
    expect(await handle.result()).toMatchObject({ status: "aborted" });
  });
});
