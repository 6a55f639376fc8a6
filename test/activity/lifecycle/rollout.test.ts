import { MockActivityEnvironment } from "@temporalio/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { AskedShare, RolloutInput } from "../../../contracts/messages.ts";
import type { RequestName } from "../../../contracts/names.ts";
import { monitoringSpecSchema } from "../../../contracts/spec.ts";
import { judgeRollout } from "../../../core/rollout/judge.ts";
import { createId } from "../../../db/identifiers.ts";
import { createMonitor, recordDriftCheck } from "../../../db/queries/monitor.ts";
import type { Prediction } from "../../../db/queries/prediction.ts";
import { recordGatewaySeen } from "../../../db/queries/gateway.ts";
import { reportVersion } from "../../../db/queries/gateway-report.ts";
import { findLook, findRollout } from "../../../db/queries/rollout.ts";
import { listOverrides } from "../../../db/queries/rollout-override.ts";
import { loadRouting } from "../../../db/queries/routing.ts";
import { addArtifact, addEvaluation, addLifecycle, addVersion } from "../../database/sample.ts";
import { audited } from "../../support/audited.ts";
import { openActivityStage, type ActivityStage } from "./activity-stage.ts";
import { insertPredictions } from "../../support/predictions.ts";

let stage: ActivityStage;

beforeAll(async () => {
  stage = await openActivityStage();
});
afterAll(async () => await stage.close());

const routingOf = async (endpoint: string) => {
  const [routing] = await loadRouting(stage.test.database, { endpoint });
  if (!routing) throw new Error(`${endpoint} routes nothing`);
  return routing;
};

/** An endpoint whose champion is version 1, and an opened rollout of version 2. */
async function openRollout(model: string, phases: object = {}): Promise<RolloutInput> {
  const { database } = stage.test;
  const [one, two] = [
    await addVersion(database, model, `${model} one`),
    await addVersion(database, model, `${model} two`),
  ];
  for (const version of [one, two]) await addEvaluation(database, version);
  const input = (rolloutId: string, versionId: string): RolloutInput => ({
    rolloutId,
    endpoint: model,
    environment: "production",
    versionId,
    startedBy: "ada",
    lifecycle: null,
    plan: {
      steps: [2500, 5000],
      minimumRequestsPerStep: 20,
      guardrails: [{ name: "error-rate", atMost: 0.2 }],
      ...phases,
    },
  });
  const first = input(`${model}-first`, one.id);
  expect(await stage.run("openRollout", first)).toMatchObject({ hasChampion: false });
  await stage.withGateway(model, () =>
    stage.run("closeRollout", { rolloutId: first.rolloutId, status: "promoted", reason: "" }),
  );
  const second = input(`${model}-second`, two.id);
  expect(await stage.run("openRollout", second)).toMatchObject({ hasChampion: true, stepCount: 2 });
  return second;
}

/** Requests of the current epoch, a share of them errors. */
async function serve(endpoint: string, arm: Prediction["arm"], requests: number, errors: number): Promise<void> {
  const routing = await routingOf(endpoint);
  const version = routing[arm];
  if (!version) throw new Error(`${endpoint} has no ${arm}`);
  const rows = Array.from({ length: requests }, (_, index) => ({
    inferenceId: createId(),
    endpoint,
    epoch: routing.epoch,
    arm,
    assigned: true,
    modelVersion: version.versionId,
    routingKeyHash: null,
    at: routing.databaseTime,
    latencyMs: 2,
    outcome: index < errors ? ("error" as const) : ("ok" as const),
    score: index < errors ? null : 0.4,
    decision: index < errors ? null : 0,
    features: null,
  }));
  expect(await insertPredictions(stage.test.database, rows)).toBe(requests);
}

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

  it("mirror before the ramp and look at what all gateways counted, those that left included", async () => {
    const { rolloutId, endpoint, versionId } = await openRollout("shadowed", { shadow: { minimumRequests: 100 } });
    await Promise.all([stage.run("beginShadow", { rolloutId }), stage.run("beginShadow", { rolloutId })]);
    const { epoch, ...routed } = await routingOf(endpoint);
    expect(routed).toMatchObject({
      canaryShare: 0,
      shadowShare: 10_000,
      champion: { number: 1 },
      canary: { number: 2 },
    });
    const look = (number: number) => stage.run("lookAtShadow", { rolloutId, number });
    expect(await look(1)).toMatchObject({ verdict: "hold", stepDone: false });
    const counts = { mirrored: 300, shed: 5, errors: 0, compared: 300, disagreed: 4 };
    const shadow = { ...counts, scoreDifferenceSum: 3, scoreDifferenceMaximum: 0.5 };
    const report = { endpoint, epoch, versionId, exits: 0, unreadyMs: 0, schemaMismatches: 0, shadow };
    for (const gateway of ["gone", "here", "here"]) await reportVersion(stage.test.database, { ...report, gateway });
    expect(await look(2)).toMatchObject({ verdict: "hold", stepDone: true });
    const seen = await findLook(stage.test.database, { rollout: rolloutId, number: 2 });
    expect(seen?.look).toMatchObject({ phase: "shadow", counts: [], shadow: { counts: { compared: 600, shed: 10 } } });
    // Nothing of it is evidence of the ramp.
    await stage.run("shiftTraffic", { rolloutId, step: 0 });
    expect(await routingOf(endpoint)).toMatchObject({ canaryShare: 2500, shadowShare: 0 });
    await stage.run("lookAtRollout", { rolloutId, step: 0, number: 3 });
    const ramp = await findLook(stage.test.database, { rollout: rolloutId, number: 3 });
    expect(ramp?.look.counts.map(({ requests }) => requests)).toEqual([{ champion: 0, canary: 0 }]);
  });

  it("act on what one live gateway reports: a crash loop, a lost readiness, answers of another schema", async () => {
    const { rolloutId, endpoint, versionId } = await openRollout("troubled");
    await stage.run("shiftTraffic", { rolloutId, step: 0 });
    const { epoch } = await routingOf(endpoint);
    const fine = { exits: 0, unreadyMs: 0, schemaMismatches: 0 };
    const say = async (gateway: string, trouble: Partial<typeof fine>) =>
      reportVersion(stage.test.database, { gateway, endpoint, epoch, versionId, shadow: null, ...fine, ...trouble });
    const look = (number: number) => stage.run("lookAtRollout", { rolloutId, step: 0, number });
    await recordGatewaySeen(stage.test.database, "troubled-gateway");
    // One that nobody has seen serves nobody.
    await say("dead-gateway", { exits: 9 });
    await say("troubled-gateway", { exits: 2, unreadyMs: 500 });
    expect(await look(1)).toMatchObject({ verdict: "hold" });
    await say("troubled-gateway", { exits: 3 });
    expect((await look(2)).reason).toContain("its process on gateway troubled-gateway ended 3 times");
    await say("troubled-gateway", { unreadyMs: 30_500 });
    expect((await look(3)).reason).toContain("it has not been ready on gateway troubled-gateway for 30 s");
    await say("troubled-gateway", { schemaMismatches: 1 });
    expect(await look(4)).toMatchObject({ verdict: "rollback" });
    await say("troubled-gateway", {});
    expect(await look(5)).toMatchObject({ verdict: "hold" });
  });

  it("keep the former champion warm after a promotion, and bring it back in one epoch when the new one trips", async () => {
    const { rolloutId, endpoint } = await openRollout("observed");
    await stage.run("shiftTraffic", { rolloutId, step: 0 });
    await stage.run("promoteCanary", { rolloutId });
    const promoted = await routingOf(endpoint);
    expect(promoted).toMatchObject({ champion: { number: 2 }, canary: { number: 1 }, canaryShare: 0 });
    await serve(endpoint, "champion", 200, 0);
    expect(await stage.run("lookAtPromotion", { rolloutId, number: 1 })).toMatchObject({ verdict: "hold" });
    await serve(endpoint, "champion", 20, 20);
    const tripped = await stage.run("lookAtPromotion", { rolloutId, number: 2 });
    expect(tripped).toMatchObject({ verdict: "rollback" });
    expect(tripped.reason).toContain("after its promotion; all of its newest 20 requests were errors");
    await stage.withGateway(endpoint, () => stage.run("withdrawCanary", { rolloutId }));
    expect(await routingOf(endpoint)).toMatchObject({
      epoch: promoted.epoch + 1,
      champion: { number: 1 },
      canary: null,
    });
  });

  it("give the canary a share that somebody set, once for each number, under his name", async () => {
    const { rolloutId, endpoint } = await openRollout("pinned");
    await stage.run("shiftTraffic", { rolloutId, step: 0 });
    const before = await routingOf(endpoint);
    const change = { rolloutId, number: 1, basisPoints: 700, by: "grace", reason: "careful" };
    await Promise.all([stage.run("setShare", change), stage.run("setShare", change)]);
    const after = await routingOf(endpoint);
    expect(after).toMatchObject({ epoch: before.epoch + 1, canaryShare: 700, salt: before.salt });
    expect(after.createdBy).not.toBe(before.createdBy);
    await stage.run("setShare", {
      ...change,
      number: 2,
      basisPoints: 2500,
      by: null,
      reason: "the plan's share again",
    });
    expect(await routingOf(endpoint)).toMatchObject({ epoch: before.epoch + 2, canaryShare: 2500 });
  });

  it("keep for ever who went past the evidence, beside the audit event that says so", async () => {
    const { rolloutId } = await openRollout("overridden");
    const subject = `rollout/${rolloutId}`;
    const asked = { subject, by: "grace", reason: "fixes an outage" };
    let requests = 0;
    const ask = (request: RequestName, share?: AskedShare) => {
      const environment = new MockActivityEnvironment({ activityId: `${rolloutId}-${(requests += 1)}` });
      return stage.run("recordRequest", { ...asked, request, ...(share && { share }) }, environment);
    };
    await ask("pause");
    await ask("share", { basisPoints: 100, override: false });
    expect(await listOverrides(stage.test.database, rolloutId)).toEqual([]);
    const { by, reason } = await ask("share", { basisPoints: 9000, override: true });
    await ask("promote");
    expect(await listOverrides(stage.test.database, rolloutId)).toMatchObject([
      { canaryShare: 9000, askedBy: by, reason },
      { canaryShare: null, askedBy: by },
    ]);
    const { rows } = await stage.test.admin.query<{ body: Buffer }>(
      "SELECT body FROM audit_event WHERE subject = $1 AND kind = 'request-made' ORDER BY seq",
      [subject],
    );
    const bodies = rows.map(({ body }) => (JSON.parse(body.toString()) as { body: object }).body);
    expect(bodies).toMatchObject([
      { request: "pause" },
      { request: "share", canaryShare: 100 },
      { request: "share", canaryShare: 9000, override: true },
      { request: "promote", override: true },
    ]);
    expect(bodies[1]).not.toHaveProperty("override");
  });

  it("bring the traffic back while the registry and the lineage take nothing, and record the end when they do again", async () => {
    const { rolloutId, endpoint } = await openRollout("registry-down");
    await stage.run("shiftTraffic", { rolloutId, step: 0 });
    const end = { rolloutId, status: "aborted", reason: "grace: looks wrong" } as const;
    await stage.test.admin.query("ALTER TABLE execution RENAME TO execution_away");
    await stage.withGateway(endpoint, () => stage.run("withdrawCanary", { rolloutId }));
    expect(await routingOf(endpoint)).toMatchObject({ canary: null, canaryShare: 0, champion: { number: 1 } });
    await expect(stage.run("closeRollout", end)).rejects.toThrow("execution");
    expect(await findRollout(stage.test.database, rolloutId)).toMatchObject({ status: "running" });
    await stage.test.admin.query("ALTER TABLE execution_away RENAME TO execution");
    const { epoch } = await routingOf(endpoint);
    await stage.withGateway(endpoint, () => stage.run("closeRollout", end));
    expect(await findRollout(stage.test.database, rolloutId)).toMatchObject({ status: "aborted" });
    expect((await routingOf(endpoint)).epoch).toBe(epoch);
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
