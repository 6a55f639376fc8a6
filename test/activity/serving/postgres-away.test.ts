import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../../unit/serving/running-gateway.ts";
import { infer, openGatewayStage, type Answer, type GatewayStage } from "./gateway-stage.ts";

/** What is promised: a whole minute, which outlasts the lease. */
const AWAY_MS = 60_000;
const LEASE_MS = 20_000;

let stage: GatewayStage;
const relays: Relay[] = [];
beforeAll(async () => {
  stage = await openGatewayStage();
});
afterAll(async () => {
  for (const relay of relays) relay.cut();
  await stage.close();
});

/** The way to Postgres of one process, which can be cut. */
interface Relay {
  readonly url: string;
  /** Ends every connection, and refuses others. */
  readonly cut: () => void;
  readonly mend: () => Promise<void>;
}

async function startRelay(databaseUrl: string): Promise<Relay> {
  const url = new URL(databaseUrl);
  const { hostname, port: databasePort } = url;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(databasePort), hostname);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  url.host = `127.0.0.1:${port}`;
  return {
    url: url.href,
    cut: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
    mend: async () => void (await once(server.listen(port, "127.0.0.1"), "listening")),
  };
}

/** How many rows a gateway has accepted, written, spilled and dropped, by its metrics. */
async function counts(url: string): Promise<readonly number[]> {
  const text = await fetch(`${url}/metrics`).then((answer) => answer.text());
  return ["accepted_total", "written_total", "spilled", "dropped_total"].map((name) =>
    Number(new RegExp(`^modelwright_prediction_rows_${name} (\\d+)$`, "m").exec(text)?.[1] ?? Number.NaN),
  );
}

test("a minute without Postgres: every request is answered, the canary's share ends with its lease, and nothing is lost or written twice", async () => {
  const [first, second] = [await stage.addVersion(0), await stage.addVersion(1)];
  await stage.advance(0, first, second, LEASE_MS);
  const relay = await startRelay(stage.test.applicationUrl);
  relays.push(relay);
  const { url } = await stage.startGateway(relay.url);
  const before = await infer(url);
  expect([before.status, before.json.model_version]).toEqual([200, "2"]);
  await eventually("the first row written", async () => (await counts(url))[1] === 1);

  relay.cut();
  const end = Date.now() + AWAY_MS;
  const away: Answer[] = [];
  while (Date.now() < end) {
    away.push(await infer(url));
    await sleep(250);
  }
  expect(away.filter(({ status }) => status !== 200)).toEqual([]);
  const versions = away.map(({ json }) => json.model_version).join("");
  expect(versions).toMatch(/^2+1+$/);
  expect(await counts(url)).toEqual([away.length + 1, 1, away.length, 0]);

  await stage.advance(1, second, null);
  await relay.mend();
  await eventually("the epoch made meanwhile", async () => {
    const answer = await infer(url);
    away.push(answer);
    return answer.epoch === "2" && answer.json.model_version === "2";
  });
  const all = away.length + 1;
  await eventually("all rows", async () => (await counts(url))[2] === 0);
  expect(await counts(url)).toEqual([all, all, 0, 0]);
  const { rows } = await stage.test.admin.query(
    `SELECT (SELECT count(*)::int FROM prediction) AS rows, (SELECT sum(requests)::int FROM decision_count) AS requests,
       accepted::int, written::int, spilled::int, dropped::int FROM gateway_log`,
  );
  expect(rows).toEqual([{ rows: all, requests: all, accepted: all, written: all, spilled: 0, dropped: 0 }]);
  const ids = new Set([before, ...away].map(({ json }) => json.id));
  const { rows: logged } = await stage.test.admin.query<{ id: string }>("SELECT inference_id AS id FROM prediction");
  expect(new Set(logged.map(({ id }) => id))).toEqual(ids);
}, 180_000);
