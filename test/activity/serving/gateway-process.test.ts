import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFileStore } from "../../../adapters/artifacts/file-store.ts";
import { inspectModel } from "../../../core/onnx/inspect.ts";
import { advanceEpoch } from "../../../db/queries/advance-epoch.ts";
import { registerArtifact } from "../../../db/queries/artifact.ts";
import { ensureEndpoint } from "../../../db/queries/endpoint.ts";
import { liveGateways } from "../../../db/queries/gateway.ts";
import { ensureModel } from "../../../db/queries/model.ts";
import { findPrediction } from "../../../db/queries/prediction.ts";
import { insertVersion } from "../../database/sample.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { createGrpcClient } from "../../unit/serving/grpc-client.ts";
import { eventually, tensors } from "../../unit/serving/running-gateway.ts";
import { modelBytes, SIGNATURE } from "../../unit/serving/served-model.ts";

let database: TestDatabase;
let dataDir: string;
const processes: ChildProcess[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  dataDir = await mkdtemp(join(tmpdir(), "modelwright-gateway-"));
});
afterAll(async () => {
  for (const child of processes) if (child.exitCode === null) child.kill("SIGKILL");
  await database.close();
  await rm(dataDir, { recursive: true, force: true });
});

async function startProcess(
  databaseUrl = database.applicationUrl,
): Promise<{ child: ChildProcess; url: string; grpc: string }> {
  const child = fork("serving/main.ts", [], {
    execArgv: ["--import", "tsx"],
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      MODELWRIGHT_DATA_DIR: dataDir,
      GATEWAY_PORT: "0",
      GRPC_PORT: "0",
    },
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  processes.push(child);
  for await (const line of createInterface({ input: child.stdout! })) {
    const ready = JSON.parse(line) as { ready: boolean; http: string; grpc: string };
    if (ready.ready) return { child, url: ready.http, grpc: ready.grpc };
  }
  throw new Error("the gateway ended before it was ready");
}

async function addVersion(bias: number): Promise<string> {
  const bytes = modelBytes(bias);
  const { digest, sizeBytes } = await createFileStore(join(dataDir, "artifacts")).put(bytes);
  const facts = inspectModel(bytes, "test");
  return await audited(database.database).transaction(async (tx) => {
    await ensureModel(tx, "delay");
    await registerArtifact(tx, { digest, kind: "model", sizeBytes, mediaType: "application/onnx" });
    const version = await insertVersion(tx, {
      model: "delay",
      artifact: digest,
      signature: SIGNATURE,
      origin: "registered",
      parentVersion: null,
      facts,
      createdBy: "test",
      key: null,
    });
    return version.id;
  });
}

const advance = (
  expectedEpoch: number,
  championVersion: string | null,
  canaryVersion: string | null,
  canaryShare: number,
) =>
  audited(database.database).transaction((tx) =>
    advanceEpoch(tx, {
      endpoint: "delay",
      expectedEpoch,
      championVersion,
      canaryVersion,
      canaryShare,
      salt: "salt",
      rollout: null,
      reason: "test",
      createdBy: "test",
      leaseMs: 60_000,
    }),
  );

test("a gateway follows Postgres, confirms, logs, takes labels, starts without it, and loses nothing it answered when it is killed", async () => {
  const [first, second] = [await addVersion(0), await addVersion(1)];
  await audited(database.database).transaction((tx) =>
    ensureEndpoint(tx, { name: "delay", environment: "staging", model: "delay" }),
  );
  await advance(0, first, null, 0);

  const { child, url, grpc } = await startProcess();
  const infer = async (at: string, fields: object = {}) => {
    const response = await fetch(`${at}/v2/models/delay/infer`, {
      method: "POST",
      body: JSON.stringify({ ...tensors([0, 0, 0]), ...fields }),
    });
    return {
      status: response.status,
      epoch: response.headers.get("modelwright-epoch"),
      json: (await response.json()) as { id: string; model_version: string },
    };
  };
  const applied = async () =>
    (await liveGateways(database.database, { maximumAgeMs: 10_000 })).map(({ routes }) => routes.get("delay"));
  const before = await infer(url);
  expect([before.status, before.epoch, before.json.model_version]).toEqual([200, "1", "1"]);
  expect(await applied()).toEqual([1]);
  const addresses = async () =>
    (await liveGateways(database.database, { maximumAgeMs: 10_000 })).map(({ address }) => address);
  await eventually("it says where it answers", async () => (await addresses())[0] === url);

  const client = createGrpcClient(grpc);
  const asked = await client.call("ModelReady", { name: "delay", version: "1" });
  expect([grpc, asked.message]).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/), { ready: true }]);
  client.close();

  await advance(1, first, second, 9_999);
  await eventually("epoch 2 confirmed", async () => (await applied())[0] === 2);
  const during = await infer(url);
  expect([during.epoch, during.json.model_version]).toEqual(["2", "2"]);

  await eventually("the log", async () => (await findPrediction(database.database, during.json.id)) !== null);
  expect(await findPrediction(database.database, during.json.id)).toMatchObject({
    epoch: 2,
    arm: "canary",
    modelVersion: second,
    outcome: "ok",
    decision: 1,
  });

  const feedback = (label: number) =>
    fetch(`${url}/v2/feedback`, {
      method: "POST",
      body: JSON.stringify({ feedback: [{ inference_id: during.json.id, label }] }),
    });
  expect(await (await feedback(1)).json()).toEqual({ received: 1, recorded: 1, conflicting: 0 });
  expect(await (await feedback(0)).json()).toEqual({ received: 1, recorded: 0, conflicting: 1 });

  const ended = once(child, "exit");
  child.kill("SIGTERM");
  expect((await ended)[0]).toBe(0);
  expect(await applied()).toEqual([]);

  // Nobody listens there: the routes come from the data directory, and a lease nobody can vouch for is over.
  const alone = await startProcess("postgres://nobody:nothing@127.0.0.1:1/none");
  const without = await infer(alone.url);
  expect([without.status, without.epoch, without.json.model_version]).toEqual([200, "2", "1"]);
  expect((await fetch(`${alone.url}/metrics`).then((answer) => answer.text())).split("\n")).toContain(
    "modelwright_prediction_rows_spilled 1",
  );
  const killed = once(alone.child, "exit");
  alone.child.kill("SIGKILL");
  await killed;

  // What it had on disk is the next one's, which is killed in its turn as soon as the last client has its answer.
  const next = await startProcess();
  await eventually("the row of a dead gateway", () => findPrediction(database.database, without.json.id).then(Boolean));
  const answers = await Promise.all(Array.from({ length: 40 }, () => infer(next.url)));
  next.child.kill("SIGKILL");
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  const last = await startProcess();
  const counted = async () => {
    const { rows } = await database.admin.query<{ counted: number; kept: number }>(
      `SELECT (SELECT sum(requests)::int FROM decision_count) AS counted, (SELECT count(*)::int FROM prediction) AS kept`,
    );
    return rows[0];
  };
  await eventually("every request of four gateways", async () => (await counted())?.counted === 43);
  expect(await counted()).toEqual({ counted: 43, kept: 43 });
  const { rows: balances } = await database.admin.query<{ pid: number; spilled: number }>(
    "SELECT split_part(gateway, '/', 2)::int AS pid, spilled::int FROM gateway_log ORDER BY at",
  );
  // Each under the gateway that answered, and not under the one that brought it.
  const answered = [child, alone.child, next.child].map(({ pid }) => ({ pid, spilled: 0 }));
  expect(balances).toEqual(answered);
  const orphaned = once(last.child, "exit");
  last.child.disconnect();
  await orphaned;
});
