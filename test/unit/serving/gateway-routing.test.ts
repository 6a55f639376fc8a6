import { Agent, request as httpRequest } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ServedVersion } from "../../../contracts/inference.ts";
import {
  childProcesses,
  eventually,
  runGateway,
  tensors,
  type InferAnswer,
  type RunningGateway,
} from "./running-gateway.ts";
import { expected, MemoryRoutes, modelBytes, Models, route } from "./served-model.ts";

const HALF = 5_000;
const row = tensors([0, 0, 0]);
let models: Models;
let running: RunningGateway | undefined;

beforeEach(() => {
  models = new Models();
});
afterEach(async () => {
  await running?.gateway.stop();
  running = undefined;
  models.remove();
});

const arm = (answer: InferAnswer) => answer.headers.get("modelwright-arm");
const epoch = (answer: InferAnswer) => answer.headers.get("modelwright-epoch");
const keyed = (key: string) => ({ ...row, parameters: { routing_key: key } });

/** Processes this one has started. */
async function arms(gateway: RunningGateway, keys: readonly string[]): Promise<(string | null)[]> {
  return await Promise.all(keys.map(async (key) => arm(await gateway.infer(keyed(key)))));
}
const keys = Array.from({ length: 100 }, (_, i) => `user-${i}`);

describe("a version measured on another host", () => {
  test("is refused until it answers as it was measured; the old one keeps serving", async () => {
    const { version: champion } = models.addMeasured(1, 0);
    const source = new MemoryRoutes();
    source.set(route(champion));
    running = await runGateway(models, source);
    const gateway = running;
    const { version: changed } = models.addMeasured(2, 1, { goldenBias: 1.5 });
    source.set(route(changed, { epoch: 2 }));
    await eventually("the refusal is told", () =>
      gateway.lines.some((line) => line.includes("delay@2") && line.includes("does not answer here as it did")),
    );
    expect((await gateway.infer(row)).json.model_version).toBe("1");
    expect(source.confirmed).toEqual(["delay/1"]);

    const { version: proven } = models.addMeasured(2, 1);
    source.set(route({ ...proven, versionId: changed.versionId }, { epoch: 3 }));
    await eventually("epoch 3", async () => epoch(await gateway.infer(row)) === "3");
    expect(source.confirmed).toEqual(["delay/1", "delay/3"]);
  });
});

describe("traffic", () => {
  test("sticks to its arm by routing key, tells which version answered, and a larger share only adds keys", async () => {
    const [champion, canary] = [models.add(1, 0), models.add(2, 1)];
    const source = new MemoryRoutes();
    const lease = () => source.nowMs() + 60_000;
    const share = (epoch: number, canaryBasisPoints: number) =>
      route(champion, { epoch, canary, canaryBasisPoints, leaseUntilMs: lease() });
    source.set(share(1, 3_000));
    running = await runGateway(models, source);
    const gateway = running;
    const before = await arms(gateway, keys);
    expect(await arms(gateway, keys)).toEqual(before);
    const count = before.filter((served) => served === "canary").length;
    expect(count).toBeGreaterThan(10);
    expect(count).toBeLessThan(55);

    for (const [i, key] of keys.slice(0, 20).entries()) {
      const { json } = await gateway.infer(keyed(key));
      const bias = before[i] === "canary" ? 1 : 0;
      expect(json.model_version).toBe(String(1 + bias));
      expect(json.outputs[0]!.data[0]).toBeCloseTo(expected(bias, 0, 0, 0), 6);
    }

    const byHeader = await gateway.infer(row, { "modelwright-routing-key": keys[0]! });
    expect(arm(byHeader)).toBe(before[0]);

    source.set(share(2, 7_000));
    await eventually("epoch 2", async () => epoch(await gateway.infer(row)) === "2");
    const after = await arms(gateway, keys);
    expect(after.filter((served, i) => before[i] === "canary" && served !== "canary")).toEqual([]);
    expect(after.filter((served) => served === "canary").length).toBeGreaterThan(count);
    expect(source.confirmed).toEqual(["delay/1", "delay/2"]);
  });

  test("leaves the canary when its lease ends, and comes back when it is renewed, whatever this machine's clock says", async () => {
    const source = new MemoryRoutes();
    const [champion, canary] = [models.add(1, 0), models.add(2, 1)];
    const leased = (ms: number) =>
      route(champion, { canary, canaryBasisPoints: 9_999, leaseUntilMs: source.nowMs() + ms });
    source.set(leased(60_000));
    running = await runGateway(models, source);
    const gateway = running;
    expect(arm(await gateway.infer(row))).toBe("canary");
    source.set(leased(400));
    await sleep(100);
    // The database goes away: nobody can renew, and the gateway leaves the canary by itself.
    source.away = true;
    await eventually("the champion", async () => arm(await gateway.infer(row)) === "champion");
    expect(epoch(await gateway.infer(row))).toBe("1");
    // A champion's row from then is no evidence against a canary that could not be chosen.
    await gateway.infer({ ...row, id: "lapsed" });
    await eventually("its row", () => gateway.rows.some(({ inferenceId }) => inferenceId === "lapsed"));
    expect(gateway.rows.map(({ arm, assigned }) => [arm, assigned])).toContainEqual(["canary", true]);
    expect(gateway.rows.find(({ inferenceId }) => inferenceId === "lapsed")).toMatchObject({
      arm: "champion",
      assigned: false,
    });
    source.away = false;
    source.set(leased(60_000));
    await eventually("the canary", async () => arm(await gateway.infer(row)) === "canary");
  });

  test("of an endpoint without a champion is served by the canary, and by nobody after its lease", async () => {
    const source = new MemoryRoutes();
    const canary = models.add(1, 0);
    const leased = (ms: number) =>
      route(null, { canary, canaryBasisPoints: 10_000, leaseUntilMs: source.nowMs() + ms });
    source.set(leased(60_000));
    running = await runGateway(models, source);
    const gateway = running;
    expect(arm(await gateway.infer(row))).toBe("canary");
    source.set(leased(-1));
    await eventually("503", async () => (await gateway.infer(row)).status === 503);
  });
});

describe("a canary that", () => {
  test.each([
    ["is no model", () => models.addBytes(2, new TextEncoder().encode("no model"))],
    [
      "of other bytes than announced",
      () => ({ ...models.add(2, 1), digest: models.addBytes(9, Uint8Array.of(1)).digest }),
    ],
  ])("%s leaves traffic on the champion and its epoch unconfirmed", async (_, broken) => {
    const champion = models.add(1, 0);
    const source = new MemoryRoutes(route(champion));
    running = await runGateway(models, source);
    const gateway = running;
    source.set(
      route(champion, { epoch: 2, canary: broken(), canaryBasisPoints: HALF, leaseUntilMs: source.nowMs() + 60_000 }),
    );
    await eventually("its refusal", () => gateway.lines.some((line) => line.includes("could not be started")));
    expect(new Set(await arms(gateway, keys))).toEqual(new Set(["champion"]));
    expect(source.confirmed).toEqual(["delay/1"]);
    // The next epoch is not held up by it.
    source.set(route(models.add(3, 1), { epoch: 3 }));
    await eventually("epoch 3", async () => epoch(await gateway.infer(row)) === "3");
    expect(source.confirmed).toEqual(["delay/1", "delay/3"]);
  });

  test("is no model does not keep a fresh gateway from serving the champion", async () => {
    const source = new MemoryRoutes();
    const canary = models.addBytes(2, Uint8Array.of(1, 2, 3));
    source.set(route(models.add(1, 0), { canary, canaryBasisPoints: HALF, leaseUntilMs: source.nowMs() + 60_000 }));
    running = await runGateway(models, source);
    expect(new Set(await arms(running, keys))).toEqual(new Set(["champion"]));
    expect(source.confirmed).toEqual([]);
  });
});

describe("a canary that fails where the champion would not", () => {
  const leased = (source: MemoryRoutes, champion: ServedVersion, epoch: number, canary: ServedVersion) =>
    route(champion, { epoch, canary, canaryBasisPoints: 9_999, leaseUntilMs: source.nowMs() + 60_000 });
  const served = async (gateway: RunningGateway, id: string, rowCount: number) => {
    const found = () => gateway.rows.filter(({ inferenceId }) => inferenceId.split("/")[0] === id);
    await eventually(`${rowCount} rows of ${id}`, () => found().length >= rowCount);
    return found().map(({ inferenceId, arm, outcome, assigned }) => [inferenceId, arm, outcome, assigned]);
  };

  test("costs the client nothing: the champion answers once, and the error stays the canary's", async () => {
    const champion = models.add(1, 0);
    const source = new MemoryRoutes(route(champion));
    running = await runGateway(models, source);
    const gateway = running;

    // It refuses what is new, and the champion does not.
    const stricter = models.add(2, 0);
    const [origin, numbers] = stricter.signature.inputs;
    const features = origin!.features.map((feature) => ({ ...feature, unknown: "refuse" as const }) as never);
    const signature = { ...stricter.signature, inputs: [{ ...origin!, features }, numbers!] };
    source.set(leased(source, champion, 2, { ...stricter, signature }));
    await eventually("epoch 2", async () => epoch(await gateway.infer(row)) === "2");
    const column = (name: string, datatype: string, value: unknown) => ({ name, datatype, shape: [1], data: [value] });
    const unseen = [column("origin", "BYTES", "XXX"), column("hour", "FP32", 1), column("distance", "FP32", 1)];
    const refused = await gateway.infer({ id: "refused", inputs: unseen });
    expect([refused.status, arm(refused), refused.json.model_version, refused.json.id]).toEqual([
      200,
      "champion",
      "1",
      "refused",
    ]);
    expect(await served(gateway, "refused", 2)).toEqual([
      ["refused/canary", "canary", "error", true],
      ["refused", "champion", "ok", false],
    ]);
    // Whoever asks for the canary by name gets the canary, error and all.
    const byName = await fetch(`${gateway.url}/v2/models/delay/versions/2/infer`, {
      method: "POST",
      body: JSON.stringify({ id: "named", inputs: unseen }),
    });
    expect([byName.status, byName.headers.get("modelwright-arm")]).toEqual([400, "canary"]);
    expect(await served(gateway, "named", 1)).toEqual([["named", "canary", "error", false]]);
    // What neither takes is the client's fault, and nobody's harm.
    expect((await gateway.infer({ id: "wrong", inputs: unseen.slice(1) })).status).toBe(400);

    // Its table is a row short: ONNX Runtime fails on the last category.
    source.set(leased(source, champion, 3, models.addBytes(3, modelBytes(1, 3))));
    await eventually("epoch 3", async () => epoch(await gateway.infer(row)) === "3");
    const ran = await gateway.infer({ ...tensors([3, 0, 0], [0, 0, 0]), id: "ran" });
    expect([ran.status, arm(ran)]).toEqual([200, "champion"]);
    expect(ran.json.outputs[0]!.data[0]).toBeCloseTo(expected(0, 3, 0, 0), 6);
    expect((await served(gateway, "ran", 4)).map(([id, , outcome]) => [id, outcome])).toEqual([
      ["ran/canary/0", "error"],
      ["ran/canary/1", "error"],
      ["ran/0", "ok"],
      ["ran/1", "ok"],
    ]);
    expect(gateway.rows.some(({ inferenceId }) => inferenceId.startsWith("wrong"))).toBe(false);
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(metrics).toContain('modelwright_takeovers_total{endpoint="delay"} 2');
  });

  test("by dying leaves no request unanswered", async () => {
    const champion = models.add(1, 0);
    const source = new MemoryRoutes(route(champion));
    running = await runGateway(models, source);
    const gateway = running;
    const before = childProcesses();
    source.set(leased(source, champion, 2, models.add(2, 1)));
    await eventually("epoch 2", () => source.confirmed.includes("delay/2"));
    const [canary] = childProcesses().filter((pid) => !before.includes(pid));
    // Stopped first, so that it cannot answer before it dies.
    process.kill(canary!, "SIGSTOP");
    const asked = keys.slice(0, 20).map((id) => gateway.infer({ ...row, id }));
    await eventually("their arrival", async () => {
      const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
      return Number(/^modelwright_waiting_rows\{[^}]*arm="canary"\} (\d+)$/m.exec(metrics)?.[1]) >= 19;
    });
    process.kill(canary!, "SIGKILL");
    const answers = await Promise.all(asked);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const rescued = answers.filter((answer) => arm(answer) === "champion").map(({ json }) => json.id);
    expect(rescued.length).toBeGreaterThan(0);
    for (const id of rescued) {
      expect(await served(gateway, id, 2)).toEqual([
        [`${id}/canary`, "canary", "error", true],
        [id, "champion", "ok", false],
      ]);
    }
  });
});

describe("without its database", () => {
  test("a gateway goes on with what it serves, and starts with the last epoch and no canary", async () => {
    const source = new MemoryRoutes();
    const [champion, canary] = [models.add(1, 0), models.add(2, 1)];
    source.set(route(champion, { epoch: 7, canary, canaryBasisPoints: 9_999, leaseUntilMs: source.nowMs() + 60_000 }));
    running = await runGateway(models, source);
    expect(arm(await running.infer(row))).toBe("canary");
    source.away = true;
    await sleep(200);
    expect(arm(await running.infer(row))).toBe("canary");
    await running.gateway.stop();

    running = await runGateway(models, source);
    const answer = await running.infer(row);
    expect([arm(answer), epoch(answer)]).toEqual(["champion", "7"]);
    const restarted = running;
    source.away = false;
    await eventually("the canary", async () => arm(await restarted.infer(row)) === "canary");
  });

  test("a gateway that never knew a route lives but is not ready", async () => {
    const source = new MemoryRoutes();
    source.away = true;
    running = await runGateway(models, source);
    expect((await fetch(`${running.url}/v2/health/live`)).status).toBe(200);
    const ready = await fetch(`${running.url}/v2/health/ready`);
    expect([ready.status, await ready.json()]).toEqual([503, { ready: false, live: true }]);
    expect((await running.infer(row)).status).toBe(404);
  });
});

/** Clients that keep their connections and ask without a pause until told to stop. */
async function load(
  url: string,
  clientCount: number,
  until: Promise<unknown>,
): Promise<{ answers: string[]; failures: string[] }> {
  const answers: string[] = [];
  const failures: string[] = [];
  const over = new AbortController();
  void until.then(() => over.abort());
  const agent = new Agent({ keepAlive: true });
  const ask = () =>
    new Promise<void>((resolve) => {
      const request = httpRequest(`${url}/v2/models/delay/infer`, { method: "POST", agent }, (response) => {
        const { statusCode, headers } = response;
        if (statusCode === 200)
          answers.push(`${String(headers["modelwright-epoch"])} ${String(headers["modelwright-arm"])}`);
        else failures.push(String(statusCode));
        response.resume();
        response.on("end", resolve);
      });
      request.on("error", (error) => {
        failures.push(error.message);
        resolve();
      });
      request.end(JSON.stringify(row));
    });
  await Promise.all(
    Array.from({ length: clientCount }, async () => {
      while (!over.signal.aborted) await ask();
    }),
  );
  agent.destroy();
  return { answers, failures };
}

describe("under load", () => {
  test("no request fails while versions come and go", async () => {
    const source = new MemoryRoutes();
    const versions = [models.add(1, 0), models.add(2, 1), models.add(3, 2)] as const;
    source.set(route(versions[0]));
    running = await runGateway(models, source);
    const gateway = running;
    const swaps = async () => {
      for (let next = 2; next <= 6; next++) {
        const champion = versions[next % 3]!;
        const canary = next % 2 ? versions[(next + 1) % 3]! : null;
        source.set(
          route(champion, {
            epoch: next,
            canary,
            canaryBasisPoints: canary ? HALF : 0,
            leaseUntilMs: source.nowMs() + 60_000,
          }),
        );
        await eventually(`epoch ${next}`, () => source.confirmed.includes(`delay/${next}`));
        await sleep(150);
      }
    };
    const { answers, failures } = await load(gateway.url, 8, swaps());
    expect(failures).toEqual([]);
    const seen = new Set(answers);
    for (let next = 2; next <= 6; next++) expect(seen).toContain(`${next} champion`);
    for (const next of [3, 5]) expect(seen).toContain(`${next} canary`);
  });

  test("stopping answers every request that reached it", async () => {
    running = await runGateway(models, new MemoryRoutes(route(models.add(1, 0))), { drainMs: 2_000 });
    const gateway = running;
    running = undefined;
    const stop = async () => {
      await sleep(200);
      // Not awaited here: clients go on while it stops.
      return { stopped: gateway.gateway.stop() };
    };
    const stopping = stop();
    // Clients stop asking while the gateway still drains, as they do when a load balancer takes it out.
    const { answers, failures } = await load(
      gateway.url,
      4,
      stopping.then(() => sleep(300)),
    );
    await (
      await stopping
    ).stopped;
    expect(failures).toEqual([]);
    expect(gateway.rows.length).toBe(answers.length);
  });
});
