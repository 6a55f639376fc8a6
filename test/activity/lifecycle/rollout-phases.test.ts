import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { MockActivityEnvironment } from "@temporalio/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createActivities } from "../../../activities/index.ts";
import { createKnownGateways } from "../../../adapters/gateways/known-gateways.ts";
import { deployDeed, requestDeed } from "../../../contracts/deeds.ts";
import type { AskedShare, RolloutInput } from "../../../contracts/messages.ts";
import type { RequestName } from "../../../contracts/names.ts";
import { openDatabase } from "../../../db/client.ts";
import { recordGatewaySeen } from "../../../db/queries/gateway.ts";
import { shipGatewayLog } from "../../../db/queries/gateway-log.ts";
import { reportVersion } from "../../../db/queries/gateway-report.ts";
import { findLook, findRollout } from "../../../db/queries/rollout.ts";
import { listOverrides } from "../../../db/queries/rollout-override.ts";
import { addAccount } from "../identity/accounts.ts";
import { addEvaluation, addVersion } from "../../database/sample.ts";
import { openActivityStage, type ActivityStage } from "./activity-stage.ts";
import { createRollouts } from "./rollouts.ts";

let stage: ActivityStage;

beforeAll(async () => {
  stage = await openActivityStage();
});
afterAll(async () => await stage.close());

const { routingOf, openRollout, serve } = createRollouts(() => stage);

describe("the phases of a rollout, and people past its evidence", () => {
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
    const { rolloutId, endpoint, versionId } = await openRollout("observed");
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
    const counted = { requests: 400, errors: 160, sheds: 0, slow: 0, latencies: [], ranges: [], byUnit: false };
    const of = { endpoint, epoch: promoted.epoch, arm: "champion", assigned: true, versionId } as const;
    const journal = { spool: randomUUID(), gateway: "g", fromByte: 0, toByte: 1, droppedRows: 0, acceptedRows: null };
    const counts = [{ ...of, ...counted, minuteMs: Date.now() - 120_000 }];
    await shipGatewayLog(stage.test.database, { ...journal, rows: [], units: [], counts });
    // Nobody needs the newest twenty to fail: two in five are beyond the one in five it was promoted under.
    await serve(endpoint, "champion", 20, 0);
    const harmful = await stage.run("lookAtPromotion", { rolloutId, number: 3 });
    expect(harmful).toMatchObject({ verdict: "rollback" });
    expect(harmful.reason).toContain("error-rate: worse than allowed, 160 errors in 400");
    expect(promoted.counting).not.toBeNull();
    await stage.withGateway(endpoint, () => stage.run("withdrawCanary", { rolloutId }));
    expect(await routingOf(endpoint)).toMatchObject({
      epoch: promoted.epoch + 1,
      champion: { number: 1 },
      canary: null,
    });
  });

  it("go on with the evidence of a rollout of the same bytes, champion and plan: a rerun is no fresh luck", async () => {
    const first = await openRollout("rerun");
    const { endpoint } = first;
    await stage.run("shiftTraffic", { rolloutId: first.rolloutId, step: 0 });
    const { salt } = await routingOf(endpoint);
    await serve(endpoint, "champion", 90, 1);
    await serve(endpoint, "canary", 30, 7);
    const stop = (rolloutId: string) =>
      stage.withGateway(endpoint, () => stage.run("closeRollout", { rolloutId, status: "aborted", reason: "" }));
    await stop(first.rolloutId);
    const rerun = async (id: string, changes: Partial<RolloutInput> = {}) => {
      await stage.run("openRollout", { ...first, rolloutId: id, ...changes });
      const rollout = await findRollout(stage.test.database, id);
      await stage.run("shiftTraffic", { rolloutId: id, step: 0 });
      return rollout;
    };
    for (const id of ["rerun-third", "rerun-fourth"]) {
      expect(await rerun(id)).toMatchObject({ continues: first.rolloutId });
      // The same keys have to be in the same arms.
      expect((await routingOf(endpoint)).salt).toBe(salt);
      await stage.run("lookAtRollout", { rolloutId: id, step: 0, number: 1 });
      const seen = await findLook(stage.test.database, { rollout: id, number: 1 });
      expect(seen?.look.counts[0]).toMatchObject({ requests: { champion: 90, canary: 30 }, errors: { canary: 7 } });
      await stop(id);
    }
    const { rows } = await stage.test.admin.query<{ body: Buffer }>(
      "SELECT body FROM audit_event WHERE subject = 'rollout/rerun-fourth' AND kind = 'rollout-started'",
    );
    expect(JSON.parse(String(rows[0]?.body))).toMatchObject({ body: { continues: first.rolloutId } });
    // Another plan asks another question.
    const other = await rerun("rerun-fifth", { plan: { ...(first.plan as object), minimumRequestsPerStep: 21 } });
    expect(other).toMatchObject({ continues: null });
    await stop("rerun-fifth");
    const bytes = await addVersion(stage.test.database, endpoint, "other bytes");
    await addEvaluation(stage.test.database, bytes);
    expect(await rerun("rerun-sixth", { versionId: bytes.id })).toMatchObject({ continues: null });
  });

  it("let a rollout wait for its turn, and others give way to it, only when it could be opened, and use nothing of its proof up", async () => {
    const running = await openRollout("waited", { onNewCandidate: "replace" });
    const bytes = await addVersion(stage.test.database, "waited", "newer bytes");
    const { ref: startedBy, prove } = await addAccount(stage.test.database, { roles: ["operator"] });
    const asked = { ...running, rolloutId: "newer", versionId: bytes.id, startedBy };
    const newer = { ...asked, proof: prove(deployDeed(asked)) };
    const turn = (input: RolloutInput) => stage.run("waitTurn", input);
    await expect(turn(newer)).rejects.toMatchObject({ type: "ENVIRONMENT_NEEDS_EVIDENCE" });
    await addEvaluation(stage.test.database, bytes);
    await expect(turn({ ...newer, endpoint: "elsewhere" })).rejects.toMatchObject({ type: "PROOF_REFUSED" });
    await stage.run("shiftTraffic", { rolloutId: running.rolloutId, step: 0 });
    const look = (number: number) => stage.run("lookAtRollout", { rolloutId: running.rolloutId, step: 0, number });
    expect(await look(1)).not.toHaveProperty("givesWayTo");
    for (let polls = 0; polls < 2; polls += 1) {
      expect(await turn(newer)).toEqual({ mayStart: false });
    }
    expect(await look(2)).toMatchObject({ verdict: "hold", givesWayTo: "newer" });
    await stage.run("leaveTurn", newer);
    expect(await look(3)).not.toHaveProperty("givesWayTo");
    const end = { rolloutId: running.rolloutId, status: "aborted", reason: "it gives way" } as const;
    await stage.withGateway("waited", () => stage.run("closeRollout", end));
    expect(await turn(newer)).toEqual({ mayStart: true });
    expect(await stage.run("openRollout", newer)).toMatchObject({ hasChampion: true });
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

  it("withdraw a canary at the gateways themselves while Postgres is away, and fail all the same: the record is still to be made", async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      response.end(JSON.stringify({ endpoint: "away", epoch: 7 }));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const gateways = createKnownGateways("mw_token");
    gateways.remember([`http://127.0.0.1:${(server.address() as AddressInfo).port}`, "http://127.0.0.1:1"]);
    const database = openDatabase({ url: "postgres://nobody@127.0.0.1:1/nothing" });
    const { withdrawCanary, recordRequest } = createActivities({ ...stage.dependencies, database, gateways });
    const run = (work: () => Promise<unknown>) => new MockActivityEnvironment().run(work);
    const rolloutId = "away-second";
    await expect(run(() => withdrawCanary({ rolloutId, endpoint: "away" }))).rejects.toThrow("Failed query");
    const request = { subject: `rollout/${rolloutId}`, request: "rollback", by: "grace", reason: "" } as const;
    await expect(run(() => recordRequest({ ...request, withdraws: "away" }))).rejects.toThrow("ECONNREFUSED");
    const told = "POST /v2/repository/models/away/withdraw Bearer mw_token";
    expect(asked).toEqual([told, told]);
    // What takes nothing back has to wait for who may.
    await expect(run(() => recordRequest({ ...request, request: "pause" }))).rejects.toThrow("ECONNREFUSED");
    expect(asked).toHaveLength(2);
    await database.close();
    server.close();
  });

  it("give a canary its share again that was withdrawn for somebody who may not ask for it", async () => {
    const { rolloutId, endpoint } = await openRollout("refused");
    await stage.run("shiftTraffic", { rolloutId, step: 0 });
    const before = await routingOf(endpoint);
    const subject = `rollout/${rolloutId}`;
    const { ref: by, prove } = await addAccount(stage.test.database);
    const proof = prove(requestDeed({ subject, request: "pause" }), "looks wrong");
    const ask = (attempt: number) =>
      stage.run(
        "recordRequest",
        { subject, request: "rollback", by, reason: "looks wrong", proof, withdraws: endpoint },
        new MockActivityEnvironment({ attempt }),
      );
    await expect(ask(1)).rejects.toMatchObject({ type: "PROOF_REFUSED" });
    expect((await routingOf(endpoint)).epoch).toBe(before.epoch);
    // The attempt before found Postgres away, and had the gateways withdraw it.
    await expect(ask(2)).rejects.toMatchObject({ type: "PROOF_REFUSED" });
    const { epoch, canaryShare, salt } = await routingOf(endpoint);
    expect({ epoch, canaryShare, salt }).toEqual({ epoch: before.epoch + 1, canaryShare: 2500, salt: before.salt });
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
});
