import { MockActivityEnvironment } from "@temporalio/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { monitoringSpecSchema } from "../../../contracts/spec.ts";
import { judgeRollout } from "../../../core/rollout/judge.ts";
import { createMonitor, recordDriftCheck } from "../../../db/queries/monitor.ts";
import { findLook, findRollout } from "../../../db/queries/rollout.ts";
import { addArtifact, addLifecycle, addVersion } from "../../database/sample.ts";
import { audited } from "../../support/audited.ts";
import { openActivityStage, type ActivityStage } from "./activity-stage.ts";
import { createRollouts } from "./rollouts.ts";

let stage: ActivityStage;

beforeAll(async () => {
  stage = await openActivityStage();
});
afterAll(async () => await stage.close());

const { routingOf, openRollout, serve } = createRollouts(() => stage);

describe("a rollout's activities", () => {
  it("shift the traffic once a step, however often and at once they are called", async () => {
    const { rolloutId, endpoint } = await openRollout("shifted");
    const before = await routingOf(endpoint);
    const step = () => stage.run("shiftTraffic", { rolloutId, step: 0 });
    await Promise.all([step(), step(), step()]);
    await step();
    const after = await routingOf(endpoint);
    expect(after).toMatchObject({ epoch: before.epoch + 1, canaryShare: 2500, rollout: rolloutId });
    expect(after.leaseUntil?.getTime()).toBeGreaterThan(after.databaseTime.getTime());
  });

  it("confirm once every live gateway applies the epoch", async () => {
    const { rolloutId, endpoint } = await openRollout("confirmed");
    await stage.run("shiftTraffic", { rolloutId, step: 0 });
    const confirmed = stage.withGateway(endpoint, () => stage.run("confirmTraffic", { rolloutId }));
    await expect(confirmed).resolves.toBeUndefined();
  });

  it("look by a pure function of stored counts: anyone recomputes the look, and the same number is the same look", async () => {
    const { rolloutId, endpoint } = await openRollout("looked");
    await stage.run("shiftTraffic", { rolloutId, step: 0 });
    await serve(endpoint, "champion", 90, 1);
    await serve(endpoint, "canary", 30, 0);
    const outcome = await stage.run("lookAtRollout", { rolloutId, step: 0, number: 1 });
    const rollout = await findRollout(stage.test.database, rolloutId);
    const stored = await findLook(stage.test.database, { rollout: rolloutId, number: 1 });
    if (!rollout || !stored) throw new Error("nothing was recorded");
    expect(stored.look.counts).toMatchObject([
      { requests: { champion: 90, canary: 30 }, errors: { champion: 1, canary: 0 } },
    ]);
    const recomputed = judgeRollout({
      plan: rollout.plan,
      step: 0,
      counts: stored.look.counts,
      firstDeployment: false,
      health: stored.look.health,
    });
    expect(stored.look.health).toEqual({ newest: { requests: 20, errors: 0 } });
    const { planDigest, latencyThresholdMs } = rollout;
    expect(stored.look).toEqual({ ...recomputed, basis: { planDigest, latencyThresholdMs, firstDeployment: false } });
    expect(outcome).toEqual({ verdict: recomputed.verdict, stepDone: true, reason: recomputed.reason });

    await serve(endpoint, "canary", 40, 40);
    expect(await stage.run("lookAtRollout", { rolloutId, step: 0, number: 1 })).toEqual(outcome);
    expect(await stage.run("lookAtRollout", { rolloutId, step: 0, number: 2 })).toMatchObject({ verdict: "rollback" });
  });

  it("roll back at once when the newest twenty requests all failed, however good the thousands before were", async () => {
    const { rolloutId, endpoint } = await openRollout("tripped");
    await stage.run("shiftTraffic", { rolloutId, step: 0 });
    await serve(endpoint, "champion", 900, 0);
    await serve(endpoint, "canary", 300, 0);
    expect(await stage.run("lookAtRollout", { rolloutId, step: 0, number: 1 })).toMatchObject({ verdict: "hold" });
    await serve(endpoint, "canary", 20, 20);
    const tripped = await stage.run("lookAtRollout", { rolloutId, step: 0, number: 2 });
    expect(tripped).toMatchObject({ verdict: "rollback", stepDone: false });
    expect(tripped.reason).toContain("all of its newest 20 requests were errors");
  });

  it("hold and page once when requests are not split as intended", async () => {
    const { rolloutId, endpoint } = await openRollout("skewed");
    await stage.run("shiftTraffic", { rolloutId, step: 0 });
    await serve(endpoint, "champion", 200, 0);
    for (const number of [1, 2, 2]) {
      await expect(stage.run("lookAtRollout", { rolloutId, step: 0, number })).resolves.toMatchObject({
        verdict: "hold",
        stepDone: false,
      });
    }
    const { rows } = await stage.test.admin.query(
      "SELECT FROM audit_event WHERE subject = $1 AND kind = 'rollout-alarmed'",
      [`rollout/${rolloutId}`],
    );
    expect(rows).toHaveLength(1);
  });

  it("freeze the ranges of the champion's predictions in the plan that is recorded", async () => {
    const running = await openRollout("ranged");
    const guardrails = [{ name: "error-rate", atMost: 0.2 }, { name: "prediction-shift" }];
    const end = { rolloutId: running.rolloutId, status: "aborted", reason: "" } as const;
    await stage.withGateway(running.endpoint, () => stage.run("closeRollout", end));
    const next = { ...running, rolloutId: "ranged-third", plan: { ...(running.plan as object), guardrails } };
    await stage.run("openRollout", next);
    const rollout = await findRollout(stage.test.database, "ranged-third");
    // Too few answers for deciles, so one edge.
    expect(rollout?.plan.guardrails[1]).toEqual({ name: "prediction-shift", maximumRatio: 2, edges: [0.5] });
    await stage.run("shiftTraffic", { rolloutId: "ranged-third", step: 0 });
    await serve(running.endpoint, "canary", 30, 0);
    await stage.run("lookAtRollout", { rolloutId: "ranged-third", step: 0, number: 1 });
    const stored = await findLook(stage.test.database, { rollout: "ranged-third", number: 1 });
    expect(stored?.look.counts.at(-1)?.ranges).toEqual([
      { champion: 0, canary: 30 },
      { champion: 0, canary: 0 },
    ]);
  });

  it("renew the canary's lease at a look that holds, and not at one that rolls back", async () => {
    const { rolloutId, endpoint } = await openRollout("leased");
    await stage.run("shiftTraffic", { rolloutId, step: 0 });
    const first = await routingOf(endpoint);
    await stage.run("lookAtRollout", { rolloutId, step: 0, number: 1 });
    const renewed = await routingOf(endpoint);
    expect(renewed.leaseUntil?.getTime()).toBeGreaterThan(first.leaseUntil?.getTime() ?? Infinity);
    await serve(endpoint, "canary", 60, 60);
    await stage.run("lookAtRollout", { rolloutId, step: 0, number: 2 });
    expect((await routingOf(endpoint)).leaseUntil).toEqual(renewed.leaseUntil);
  });

  it("take an endpoint over from a rollout whose workflow is gone: the champion has its traffic back before the next one opens", async () => {
    const gone = await openRollout("orphaned");
    await stage.run("shiftTraffic", { rolloutId: gone.rolloutId, step: 0 });
    const next = { ...gone, rolloutId: "orphaned-third" };
    // Scheduled before the running rollout began: a late attempt of a caller that is gone itself ends nothing.
    await expect(stage.run("openRollout", next)).rejects.toMatchObject({ type: "ENDPOINT_BUSY" });
    const later = new MockActivityEnvironment({ scheduledTimestampMs: Date.now() + 1000 });
    await stage.withGateway(gone.endpoint, () => stage.run("openRollout", next, later));
    expect(await findRollout(stage.test.database, gone.rolloutId)).toMatchObject({ status: "aborted" });
    expect(await findRollout(stage.test.database, next.rolloutId)).toMatchObject({ status: "running" });
    expect(await routingOf(gone.endpoint)).toMatchObject({ canary: null, champion: { number: 1 } });
  });

  it("bring the champion back when somebody rolls back an endpoint whose rollout nobody looks after", async () => {
    const gone = await openRollout("deserted");
    await stage.run("shiftTraffic", { rolloutId: gone.rolloutId, step: 0 });
    const later = new MockActivityEnvironment({ scheduledTimestampMs: Date.now() + 1000 });
    const request = { endpoint: gone.endpoint, by: "grace", reason: "looks wrong", requestId: "deserted" };
    await stage.withGateway(gone.endpoint, () => stage.run("restoreFormerChampion", request, later));
    expect(await routingOf(gone.endpoint)).toMatchObject({ canary: null, champion: { number: 1 } });
    expect(await findRollout(stage.test.database, gone.rolloutId)).toMatchObject({ status: "aborted" });
  });

  it("end it once: of two ends at the same moment one is recorded, and both callers are told that one", async () => {
    const { rolloutId, endpoint } = await openRollout("closed");
    await stage.run("shiftTraffic", { rolloutId, step: 0 });
    const { epoch, champion, canary } = await routingOf(endpoint);
    const close = (status: "promoted" | "rolled-back") =>
      stage.run("closeRollout", { rolloutId, status, reason: status });
    const [a, b] = await stage.withGateway(endpoint, () => Promise.all([close("promoted"), close("rolled-back")]));
    expect(a).toEqual(b);
    const after = await routingOf(endpoint);
    expect(after).toMatchObject({ epoch: epoch + 1, canary: null, canaryShare: 0 });
    expect(after.champion).toEqual(a.status === "promoted" ? canary : champion);
    expect(await findRollout(stage.test.database, rolloutId)).toMatchObject({ status: a.status, outcome: a.reason });
  });

  it("move no traffic for a rollout that has ended", async () => {
    const { rolloutId, endpoint } = await openRollout("ended");
    await stage.withGateway(endpoint, () => stage.run("closeRollout", { rolloutId, status: "aborted", reason: "" }));
    const before = await routingOf(endpoint);
    await expect(stage.run("shiftTraffic", { rolloutId, step: 1 })).rejects.toMatchObject({ type: "INPUT_INVALID" });
    await expect(stage.run("renewRolloutLease", { rolloutId })).rejects.toMatchObject({ type: "INPUT_INVALID" });
    expect(await routingOf(endpoint)).toMatchObject({ epoch: before.epoch, canary: null });
  });

  it("refuse a version without evidence before the endpoint has changed", async () => {
    const version = await addVersion(stage.test.database, "unproven", "bytes");
    const input = {
      rolloutId: "r",
      endpoint: "unproven",
      environment: "production",
      startedBy: "ada",
      lifecycle: null,
      plan: {},
    };
    const refused = stage.run("openRollout", { ...input, versionId: version.id });
    await expect(refused).rejects.toMatchObject({ type: "ENVIRONMENT_NEEDS_EVIDENCE" });
    expect(await findRollout(stage.test.database, "r")).toBeNull();
  });

  it("refuse a plan that cannot conclude at the endpoint's past traffic, before anything is recorded, unless it says to start", async () => {
    const running = await openRollout("unwinnable");
    const end = { rolloutId: running.rolloutId, status: "aborted", reason: "" } as const;
    await stage.withGateway(running.endpoint, () => stage.run("closeRollout", end));
    // The endpoint is older than this deadline and has had no request in it.
    const plan = { ...(running.plan as object), deadlineMs: 1 };
    const refused = stage.run("openRollout", { ...running, rolloutId: "unwinnable-third", plan });
    await expect(refused).rejects.toMatchObject({
      type: "PLAN_CANNOT_CONCLUDE",
      message: expect.stringContaining("a healthy canary is never promoted at 0 requests/s") as string,
    });
    expect(await findRollout(stage.test.database, "unwinnable-third")).toBeNull();
    const started = { ...running, rolloutId: "unwinnable-fourth", plan: { ...plan, onUnwinnable: "start" } };
    await expect(stage.run("openRollout", started)).resolves.toMatchObject({ deadlineMs: 1 });
  });

  it("open a rollout on an endpoint that is younger than the deadline: it has shown too little to refuse anything", async () => {
    // Opened with the default deadline of a day, seconds after the endpoint's first version.
    await expect(openRollout("young")).resolves.toMatchObject({ endpoint: "young" });
  });

  it("bring a former champion back once a request", async () => {
    const { rolloutId, endpoint } = await openRollout("restored");
    const { champion } = await routingOf(endpoint);
    await stage.withGateway(endpoint, async () => {
      await stage.run("closeRollout", { rolloutId, status: "promoted", reason: "" });
      const request = { endpoint, by: "grace", reason: "regret", requestId: "request-1" };
      const [first, again] = [
        await stage.run("restoreFormerChampion", request),
        await stage.run("restoreFormerChampion", request),
      ];
      expect(first.champion).toBe("restored@1");
      expect(again).toEqual(first);
    });
    expect((await routingOf(endpoint)).champion).toEqual(champion);
  });
});

describe("the retrain policy", () => {
  async function harmfulCheck(model: string, scheduledAt: string): Promise<string> {
    const { database } = stage.test;
    const check = await audited(database).transaction((tx) =>
      recordDriftCheck(tx, {
        monitor: `${model}.v1`,
        scheduledAt: new Date(scheduledAt),
        window: { from: "2001-06-01", to: "2001-06-02" },
        dataDigest: null,
        reportDigest: null,
        verdict: "drifted",
        driftedColumns: ["distance"],
        harm: true,
      }),
    );
    return check.id;
  }

  async function watch(model: string): Promise<void> {
    const { database } = stage.test;
    const version = await addVersion(database, model, `${model} watched`);
    const lifecycle = await addLifecycle(database, `${model}-lifecycle`, model);
    await audited(database).transaction(async (tx) => {
      await createMonitor(tx, {
        id: `${model}.v1`,
        model,
        modelVersion: version.id,
        lifecycle: lifecycle.id,
        spec: monitoringSpecSchema.parse({}),
        schedule: "0 3 * * *",
        baselineProfile: await addArtifact(tx, "profile"),
      });
    });
    await stage.run("endLifecycle", {
      lifecycleId: lifecycle.id,
      round: 1,
      status: "completed",
      reason: "",
      failureCode: null,
    });
  }

  it("starts one lifecycle for one check, however often and at once it is asked", async () => {
    await watch("asked");
    const driftCheckId = await harmfulCheck("asked", "2001-06-02T03:00:00Z");
    const answers = await Promise.all([1, 2, 3].map(() => stage.run("decideRetrain", { driftCheckId })));
    expect(answers[0]).toMatchObject({
      decision: "start",
      lifecycle: { round: 1, startedBy: "service/retrain-policy" },
    });
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    const { rows } = await stage.test.admin.query("SELECT FROM retrain_decision WHERE drift_check = $1", [
      driftCheckId,
    ]);
    expect(rows).toHaveLength(1);
  });

  it("starts one lifecycle for two checks of a model at once; the other finds it in flight", async () => {
    await watch("twice");
    const checks = [
      await harmfulCheck("twice", "2001-06-02T03:00:00Z"),
      await harmfulCheck("twice", "2001-06-03T03:00:00Z"),
    ];
    const answers = await Promise.all(checks.map((driftCheckId) => stage.run("decideRetrain", { driftCheckId })));
    expect(answers.map(({ decision }) => decision).sort()).toEqual(["in-flight", "start"]);
    expect(answers.filter(({ lifecycle }) => lifecycle !== null)).toHaveLength(1);
  });
});
