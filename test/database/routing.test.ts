import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { listenTo } from "../../db/listen.ts";
import { advanceEpoch, type EpochRequest } from "../../db/queries/advance-epoch.ts";
import { ensureEndpoint, findEndpoint, renewLease } from "../../db/queries/endpoint.ts";
import { confirmRoute, liveGateways, recordGatewaySeen, removeGateway } from "../../db/queries/gateway.ts";
import type { ModelVersion } from "../../db/queries/model.ts";
import { endRollout, findRunningRollout, listLooks, recordLook, startRollout } from "../../db/queries/rollout.ts";
import { championOf, loadRouting, ROUTING_CHANNEL } from "../../db/queries/routing.ts";
import { audited } from "../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { addEndpoint, addEvaluation, addVersion, plan } from "./sample.ts";

let test: TestDatabase;
let first: ModelVersion;
let second: ModelVersion;

beforeAll(async () => {
  test = await createTestDatabase();
  first = await addVersion(test.database, "flights", "first");
  second = await addVersion(test.database, "flights", "second");
  await addEndpoint(test.database, "live", "flights", "staging");
});
afterAll(async () => {
  await test.close();
});

const advance = (request: Partial<EpochRequest>) =>
  audited(test.database).transaction((tx) =>
    advanceEpoch(tx, {
      endpoint: "live",
      expectedEpoch: 0,
      championVersion: first.id,
      canaryVersion: null,
      canaryShare: 0,
      salt: "salt",
      rollout: null,
      reason: "test",
      createdBy: "ada",
      leaseMs: 60_000,
      ...request,
    }),
  );

const start = (id: string, endpoint = "live") =>
  audited(test.database).transaction((tx) =>
    startRollout(tx, {
      id,
      endpoint,
      lifecycle: null,
      plan,
      championVersion: first.id,
      canaryVersion: second.id,
      latencyThresholdMs: 5,
      startedBy: "ada",
    }),
  );

describe("endpoints", () => {
  it("stay with their model and environment", async () => {
    const ensure = (name: string, environment: string, model: string) =>
      audited(test.database).transaction((tx) => ensureEndpoint(tx, { name, environment, model }));
    expect(await ensure("live", "staging", "flights")).toMatchObject({ currentEpoch: 0, leaseUntil: null });
    await expect(ensure("live", "production", "flights")).rejects.toMatchObject({ code: "INPUT_INVALID" });
    await expect(ensure("twin", "staging", "flights")).rejects.toMatchObject({ code: "INPUT_INVALID" });
    expect(await findEndpoint(test.database, "twin")).toBeNull();
  });

  it("that serve nothing have no champion and no routing", async () => {
    expect(await championOf(test.database, "live")).toBeNull();
    expect(await loadRouting(test.database)).toEqual([]);
  });
});

describe("routing epochs", () => {
  it("advance only from the epoch the caller saw", async () => {
    expect(await advance({})).toMatchObject({ outcome: "advanced", epoch: 1 });
    expect(await advance({})).toEqual({ outcome: "stale", epoch: 1, evaluations: [] });
    expect(await championOf(test.database, "live")).toMatchObject({ id: first.id, number: 1 });
    expect((await findEndpoint(test.database, "live"))?.leaseUntil).toBeNull();
  });

  it("tell which versions serve with which share, until when by database time", async () => {
    await start("ro-1");
    expect(
      await advance({ expectedEpoch: 1, canaryVersion: second.id, canaryShare: 500, rollout: "ro-1" }),
    ).toMatchObject({
      outcome: "advanced",
      epoch: 2,
    });
    const [routing] = await loadRouting(test.database, { endpoint: "live" });
    expect(routing).toMatchObject({
      endpoint: "live",
      environment: "staging",
      epoch: 2,
      champion: { versionId: first.id, number: 1, digest: first.artifact },
      canary: { versionId: second.id, number: 2, signature: second.signature },
      canaryShare: 500,
      rollout: "ro-1",
    });
    const left = Number(routing?.leaseUntil) - Number(routing?.databaseTime);
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(60_000);
  });

  it("keep their canary only while the writer of this epoch renews the lease", async () => {
    const renew = (epoch: number) =>
      audited(test.database).transaction((tx) => renewLease(tx, { endpoint: "live", epoch, leaseMs: 120_000 }));
    expect(await renew(1)).toBeNull();
    const [before] = await loadRouting(test.database);
    expect(Number(await renew(2))).toBeGreaterThan(Number(before?.leaseUntil));
  });

  it("are written by the running rollout alone until it ends", async () => {
    await expect(advance({ expectedEpoch: 2 })).rejects.toMatchObject({ code: "ENDPOINT_BUSY" });
    await expect(start("ro-2")).rejects.toMatchObject({ code: "ENDPOINT_BUSY" });
    expect((await start("ro-1")).id).toBe("ro-1");
    await advance({ expectedEpoch: 2, championVersion: second.id, rollout: "ro-1" });
    const end = { id: "ro-1", status: "promoted", outcome: "good" } as const;
    const ended = await audited(test.database).transaction((tx) => endRollout(tx, end));
    expect(ended).toMatchObject({ status: "promoted", endedAt: expect.any(Date) });
    expect(await audited(test.database).transaction((tx) => endRollout(tx, end))).toEqual(ended);
    expect(await findRunningRollout(test.database, "live")).toBeNull();
    expect((await start("ro-2")).status).toBe("running");
    await audited(test.database).transaction((tx) => endRollout(tx, { ...end, id: "ro-2", status: "aborted" }));
  });

  it("can be asked for as of a past moment", async () => {
    await test.admin.query("SET session_replication_role = replica");
    await test.admin.query(
      "UPDATE routing_epoch SET created_at = '2001-01-01Z'::timestamptz + epoch * interval '1 day'",
    );
    await test.admin.query("SET session_replication_role = DEFAULT");
    const at = async (asOf: string) => {
      const [routing] = await loadRouting(test.database, { endpoint: "live", asOf });
      return routing && [routing.epoch, routing.champion?.number, routing.canaryShare, routing.leaseUntil];
    };
    expect(await at("2001-01-01T12:00:00Z")).toBeUndefined();
    expect(await at("2001-01-02T00:00:00Z")).toEqual([1, 1, 0, null]);
    expect(await at("2001-01-03T12:00:00Z")).toEqual([2, 1, 500, null]);
    expect(await at("2010-01-01T00:00:00Z")).toEqual([3, 2, 0, null]);
  });

  it("refuse, where evidence is asked for, a version that has none, and name it", async () => {
    await addEndpoint(test.database, "prod", "flights", "production");
    const refused = advance({ endpoint: "prod" });
    await expect(refused).rejects.toMatchObject({ code: "ENVIRONMENT_NEEDS_EVIDENCE" });
    await expect(refused).rejects.toThrow(/model\/flights@1/);
    await addEvaluation(test.database, first, "inconclusive");
    await expect(advance({ endpoint: "prod" })).rejects.toMatchObject({ code: "ENVIRONMENT_NEEDS_EVIDENCE" });
    const evidence = await addEvaluation(test.database, first);
    expect(await advance({ endpoint: "prod" })).toMatchObject({ outcome: "advanced", epoch: 1 });
    const { rows } = await test.admin.query("SELECT version, evaluation FROM promotion WHERE endpoint = 'prod'");
    expect(rows).toEqual([{ version: first.id, evaluation: evidence.id }]);
    await expect(
      advance({ endpoint: "prod", expectedEpoch: 1, canaryVersion: second.id, canaryShare: 100 }),
    ).rejects.toThrow(/model\/flights@2/);
  });

  it("are told to listeners when they are committed, also after the listener's connection was lost", async () => {
    const heard: string[] = [];
    let wake = () => {};
    const listener = listenTo({
      url: test.applicationUrl,
      channel: ROUTING_CHANNEL,
      onTold: (endpoint) => {
        heard.push(endpoint);
        wake();
      },
    });
    const listening =
      "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'modelwright% listening' AND query LIKE 'LISTEN%'";
    const waitForListener = async (besides?: number): Promise<number> => {
      for (;;) {
        const { rows } = await test.admin.query<{ pid: number }>(listening);
        const pid = rows[0]?.pid;
        if (pid !== undefined && pid !== besides) return pid;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const nextChange = () => new Promise<void>((resolve) => (wake = resolve));
    try {
      const pid = await waitForListener();
      const firstChange = nextChange();
      await advance({ expectedEpoch: 3 });
      await firstChange;
      await test.admin.query("SELECT pg_terminate_backend($1)", [pid]);
      await waitForListener(pid);
      const secondChange = nextChange();
      await advance({ expectedEpoch: 4 });
      await secondChange;
      expect(heard).toEqual(["live", "live"]);
    } finally {
      await listener.close();
    }
  });
});

describe("gateways", () => {
  it("count as live while they are seen, with the epochs they apply, and never go back", async () => {
    for (const id of ["gw-1", "gw-2", "gw-old"]) await recordGatewaySeen(test.database, id);
    await test.admin.query("UPDATE gateway SET seen_at = now() - interval '1 minute' WHERE id = 'gw-old'");
    await confirmRoute(test.database, { gateway: "gw-1", endpoint: "live", epoch: 2 });
    await confirmRoute(test.database, { gateway: "gw-1", endpoint: "live", epoch: 1 });
    const live = await liveGateways(test.database, { maximumAgeMs: 10_000 });
    expect(live.map(({ id, routes }) => [id, [...routes]])).toEqual([
      ["gw-1", [["live", 2]]],
      ["gw-2", []],
    ]);
    await removeGateway(test.database, "gw-1");
    expect((await liveGateways(test.database, { maximumAgeMs: 10_000 })).map(({ id }) => id)).toEqual(["gw-2"]);
  });
});

describe("looks", () => {
  it("are kept in order, the first record of a number for good", async () => {
    await start("ro-looks");
    const look = (verdict: "hold" | "promote") => ({
      verdict,
      reason: "",
      step: 0,
      stepDone: false,
      guardrails: [],
      sampleRatioEvidence: 1,
      counts: [],
    });
    for (const [number, verdict] of [
      [1, "hold"],
      [2, "promote"],
      [2, "hold"],
    ] as const) {
      await audited(test.database).transaction((tx) =>
        recordLook(tx, { rollout: "ro-looks", number, look: look(verdict) }),
      );
    }
    const looks = await listLooks(test.database, "ro-looks");
    expect(looks.map(({ number, verdict }) => [number, verdict])).toEqual([
      [1, "hold"],
      [2, "promote"],
    ]);
  });
});

describe("a lost connection", () => {
  it("ends neither the process nor the pool", async () => {
    const other = new Client({ connectionString: test.adminUrl });
    await other.connect();
    await other.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'modelwright%'",
    );
    await other.end();
    await expect.poll(() => findEndpoint(test.database, "live").catch(() => null)).toMatchObject({ name: "live" });
  });
});
