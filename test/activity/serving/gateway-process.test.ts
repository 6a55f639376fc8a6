import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { liveGateways } from "../../../db/queries/gateway.ts";
import { findPrediction } from "../../../db/queries/prediction.ts";
import { createGrpcClient } from "../../unit/serving/grpc-client.ts";
import { eventually } from "../../unit/serving/running-gateway.ts";
import { infer, openGatewayStage, type GatewayStage } from "./gateway-stage.ts";

let stage: GatewayStage;
beforeAll(async () => {
  stage = await openGatewayStage();
});
afterAll(async () => await stage.close());

test("a gateway follows Postgres, confirms, logs, takes labels, starts without it, and loses nothing it answered when it is killed", async () => {
  const { database, admin } = stage.test;
  const [first, second] = [await stage.addVersion(0), await stage.addVersion(1)];
  await stage.advance(0, first, null);

  const { child, url, grpc } = await stage.startGateway();
  const applied = async () =>
    (await liveGateways(database, { maximumAgeMs: 10_000 })).map(({ routes }) => routes.get("delay"));
  const before = await infer(url);
  expect([before.status, before.epoch, before.json.model_version]).toEqual([200, "1", "1"]);
  expect(await applied()).toEqual([1]);
  const addresses = async () => (await liveGateways(database, { maximumAgeMs: 10_000 })).map(({ address }) => address);
  await eventually("it says where it answers", async () => (await addresses())[0] === url);

  const client = createGrpcClient(grpc);
  const asked = await client.call("ModelReady", { name: "delay", version: "1" });
  expect([grpc, asked.message]).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/), { ready: true }]);
  client.close();

  await stage.advance(1, first, second);
  await eventually("epoch 2 confirmed", async () => (await applied())[0] === 2);
  const during = await infer(url);
  expect([during.epoch, during.json.model_version]).toEqual(["2", "2"]);

  await eventually("the log", async () => (await findPrediction(database, during.json.id)) !== null);
  expect(await findPrediction(database, during.json.id)).toMatchObject({
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
  const alone = await stage.startGateway("postgres://nobody:nothing@127.0.0.1:1/none");
  const without = await infer(alone.url);
  expect([without.status, without.epoch, without.json.model_version]).toEqual([200, "2", "1"]);
  expect((await fetch(`${alone.url}/metrics`).then((answer) => answer.text())).split("\n")).toContain(
    "modelwright_prediction_rows_spilled 1",
  );
  const killed = once(alone.child, "exit");
  alone.child.kill("SIGKILL");
  await killed;

  // What it had on disk is the next one's, which is killed in its turn as soon as the last client has its answer.
  const next = await stage.startGateway();
  await eventually("the row of a dead gateway", () => findPrediction(database, without.json.id).then(Boolean));
  const answers = await Promise.all(Array.from({ length: 40 }, () => infer(next.url)));
  next.child.kill("SIGKILL");
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  const last = await stage.startGateway();
  const counted = async () => {
    const { rows } = await admin.query<{ counted: number; kept: number }>(
      `SELECT (SELECT sum(requests)::int FROM decision_count) AS counted, (SELECT count(*)::int FROM prediction) AS kept`,
    );
    return rows[0];
  };
  await eventually("every request of four gateways", async () => (await counted())?.counted === 43);
  expect(await counted()).toEqual({ counted: 43, kept: 43 });
  const { rows: balances } = await admin.query<{ pid: number; spilled: number }>(
    "SELECT split_part(gateway, '/', 2)::int AS pid, spilled::int FROM gateway_log ORDER BY at",
  );
  // Each under the gateway that answered, and not under the one that brought it.
  const answered = [child, alone.child, next.child].map(({ pid }) => ({ pid, spilled: 0 }));
  expect(balances).toEqual(answered);
  const orphaned = once(last.child, "exit");
  last.child.disconnect();
  await orphaned;
});
