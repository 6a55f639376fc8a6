import { afterEach, beforeAll, afterAll, describe, expect, test } from "vitest";
import { createQuota } from "../../../serving/quota.ts";
import { createGrpcClient } from "./grpc-client.ts";
import { childProcesses, eventually, runGateway, tensors, type RunningGateway } from "./running-gateway.ts";
import { MemoryRoutes, Models, route } from "./served-model.ts";

let models: Models;
let running: RunningGateway | undefined;
let stopped: number | undefined;
beforeAll(() => {
  models = new Models();
});
afterAll(() => {
  models.remove();
});
afterEach(async () => {
  goOn();
  await running?.gateway.stop();
  running = undefined;
});

function goOn(): void {
  if (stopped !== undefined) process.kill(stopped, "SIGCONT");
  stopped = undefined;
}

const row = tensors([0, 0, 0]);
const metric = async (gateway: RunningGateway, line: RegExp): Promise<number> =>
  Number(line.exec(await (await fetch(`${gateway.url}/metrics`)).text())?.[1]);
const waitingRows = (gateway: RunningGateway) =>
  metric(gateway, /^modelwright_waiting_rows\{[^}]*arm="champion"\} (\d+)$/m);

/** A gateway whose champion stands still, as one that is busy for long. */
async function standStill(
  source: MemoryRoutes,
  options: Parameters<typeof runGateway>[2] = {},
): Promise<RunningGateway> {
  const before = childProcesses();
  running = await runGateway(models, source, options);
  [stopped] = childProcesses().filter((pid) => !before.includes(pid));
  process.kill(stopped!, "SIGSTOP");
  return running;
}

describe("a request that waits", () => {
  test("is answered in its client's time, and not computed when that is over or the client is gone", async () => {
    const gateway = await standStill(new MemoryRoutes(route(models.add(1, 0))));
    const first = gateway.infer({ ...row, id: "first" });
    await eventually("the run", async () => (await waitingRows(gateway)) === 0);
    const leaving = new AbortController();
    const left = fetch(`${gateway.url}/v2/models/delay/infer`, {
      method: "POST",
      body: JSON.stringify(row),
      signal: leaving.signal,
    });
    await eventually("its wait", async () => (await waitingRows(gateway)) === 1);
    leaving.abort();
    await expect(left).rejects.toThrow(/abort/i);
    await eventually("its leaving", async () => (await waitingRows(gateway)) === 0);

    const byHeader = await gateway.infer(row, { "modelwright-timeout-ms": "30" });
    const byParameter = await gateway.infer({ ...row, parameters: { timeout: 30_000 } });
    expect([byHeader.status, byParameter.status]).toEqual([504, 504]);
    expect(byHeader.json.error).toMatch(/had no answer after \d+ ms, allowed were (30|[12]?[0-9]);/);
    const client = createGrpcClient(gateway.gateway.grpcAddress);
    const overGrpc = await client.call("ModelInfer", {
      model_name: "delay",
      inputs: [
        { name: "origin_code", datatype: "INT64", shape: ["1"], contents: { int64_contents: ["0"] } },
        { name: "numbers", datatype: "FP32", shape: ["1", "2"], contents: { fp32_contents: [0, 0] } },
      ],
      parameters: { timeout: { int64_param: "30000" } },
    });
    client.close();
    expect(overGrpc.code).toBe(4);

    goOn();
    expect((await first).status).toBe(200);
    const stats = (await (await fetch(`${gateway.url}/v2/models/delay/stats`)).json()) as {
      model_stats: { inference_count: number; execution_count: number }[];
    };
    expect(stats.model_stats[0]).toMatchObject({ inference_count: 1, execution_count: 1 });
    expect(await metric(gateway, /^modelwright_requests_total\{[^}]*outcome="abandoned"\} (\d+)$/m)).toBe(1);
  });

  test("says so when its client asks for no time at all", async () => {
    running = await runGateway(models, new MemoryRoutes(route(models.add(1, 0))));
    for (const value of ["0", "soon", "1.5"]) {
      expect((await running.infer(row, { "modelwright-timeout-ms": value })).status).toBe(400);
    }
    expect((await running.infer({ ...row, parameters: { timeout: -1 } })).status).toBe(400);
    expect((await running.infer({ ...row, parameters: { timeout: 0 } })).status).toBe(200);
  });
});

test("what the champion has no room for is shed of both arms alike, counted, and told when to come again", async () => {
  const [champion, canary] = [models.add(1, 0), models.add(2, 1)];
  const source = new MemoryRoutes(route(champion));
  const gateway = await standStill(source, { process: { maximumWaitingRows: 3 } });
  const canaryRoute = { epoch: 2, canary, canaryBasisPoints: 5_000, leaseUntilMs: source.nowMs() + 60_000 };
  const counting = { slowAboveMs: null, edges: null };
  source.set(route(champion, { ...canaryRoute, counting }));
  await eventually("epoch 2", () => source.confirmed.includes("delay/2"));
  const named = () =>
    fetch(`${gateway.url}/v2/models/delay/versions/1/infer`, { method: "POST", body: JSON.stringify(row) });
  const busy = Array.from({ length: 4 }, named);
  await eventually("a full queue", async () => (await waitingRows(gateway)) === 3);

  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) => gateway.infer({ ...row, id: `r${index}` })),
  );
  expect(new Set(answers.map(({ status, headers }) => `${status} ${headers.get("retry-after")}`))).toEqual(
    new Set(["503 1"]),
  );
  goOn();
  expect((await Promise.all(busy)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  await gateway.gateway.stop();
  const sheds = (arm: string) =>
    gateway.counts.filter((count) => count.arm === arm).reduce((sum, count) => sum + count.sheds, 0);
  expect(sheds("champion") + sheds("canary")).toBe(40);
  expect([sheds("champion") > 8, sheds("canary") > 8]).toEqual([true, true]);
});

describe("a quota", () => {
  const codeOf = (take: () => void): string => {
    try {
      take();
      return "let in";
    } catch (thrown) {
      return (thrown as { code: string }).code;
    }
  };

  test("lets a second's worth in at once, and then as many as it says", () => {
    let now = 0;
    const quota = createQuota({ requestsPerSecond: 10, nowMs: () => now });
    const ask = (client = "ada") => codeOf(() => quota.take(client, client));
    const letIn = (count: number) => Array.from({ length: count }, () => ask()).filter((code) => code === "let in");
    expect(letIn(20)).toHaveLength(10);
    expect(ask("grace")).toBe("let in");
    now += 500;
    expect(letIn(20)).toHaveLength(5);
    now += 3_600_000;
    expect(letIn(20)).toHaveLength(10);
  });

  test("of less than one a second lets one in, and says when the next", () => {
    let now = 0;
    const quota = createQuota({ requestsPerSecond: 0.1, nowMs: () => now });
    quota.take("ada", "ada");
    expect(() => quota.take("ada", "ada")).toThrow("ask again in 10000 ms");
    now += 10_000;
    quota.take("ada", "ada");
  });

  test("forgets who was silent for longest, and not who is busy", () => {
    const quota = createQuota({ requestsPerSecond: 1, nowMs: () => 0 });
    quota.take("ada", "ada");
    for (let other = 0; other < 11_000; other++) {
      quota.take(`other ${other}`, "other");
      expect(codeOf(() => quota.take("ada", "ada"))).toBe("QUOTA_EXCEEDED");
    }
  });

  test("is 429 with the time to wait, over HTTP and gRPC, for each address", async () => {
    const quota = createQuota({ requestsPerSecond: 2, nowMs: () => 0 });
    running = await runGateway(models, new MemoryRoutes(route(models.add(1, 0))), { quota });
    const statuses = [await running.infer(row), await running.infer(row), await running.infer(row)];
    expect(statuses.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(statuses[2]?.headers.get("retry-after")).toBe("1");
    expect(statuses[2]?.json.error).toMatch(/^address .*127\.0\.0\.1: more than 2 requests a second/);
    const client = createGrpcClient(running.gateway.grpcAddress);
    const answer = await client.call("ModelInfer", { model_name: "delay", inputs: [] });
    client.close();
    expect(answer.code).toBe(8);
  });
});
