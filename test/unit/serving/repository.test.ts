import { renameSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createGrpcClient } from "./grpc-client.ts";
import { eventually, runGateway, tensors, type RunningGateway } from "./running-gateway.ts";
import { MemoryRoutes, Models, route } from "./served-model.ts";

/** Long enough that nothing but what is asked for closes or starts a process. */
const NEVER_MS = 600_000;
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

async function start(source: MemoryRoutes, options: Parameters<typeof runGateway>[2] = {}): Promise<RunningGateway> {
  running = await runGateway(models, source, { graceMs: NEVER_MS, retryMs: NEVER_MS, ...options });
  return running;
}

async function ask({ url }: RunningGateway, path: string, body = "{}", headers: Record<string, string> = {}) {
  const response = await fetch(`${url}/v2/repository/models/${path}`, { method: "POST", body, headers });
  return { status: response.status, json: (await response.json()) as { error?: string } };
}

const unload = (gateway: RunningGateway, version: string) =>
  ask(gateway, "delay/unload", JSON.stringify({ parameters: { version } }));

describe("load", () => {
  test("starts at once what could not be started before, and says when it still cannot", async () => {
    const version = models.add(3, 0.1);
    const path = models.path(version.digest);
    renameSync(path, `${path}.away`);
    const gateway = await start(new MemoryRoutes(route(version)));
    const refused = await ask(gateway, "delay/load");
    expect(refused).toMatchObject({ status: 503, json: { error: expect.stringContaining("could be started") } });
    renameSync(`${path}.away`, path);
    expect(await ask(gateway, "delay/load")).toEqual({ status: 200, json: {} });
    expect((await gateway.infer(row)).status).toBe(200);
    expect((await ask(gateway, "delay/load", "")).status).toBe(200);
  });

  test("of a model nobody routes is an error, over both protocols", async () => {
    const gateway = await start(new MemoryRoutes(route(models.add(3, 0.1))));
    expect((await ask(gateway, "other/load")).status).toBe(404);
    const client = createGrpcClient(gateway.gateway.grpcAddress);
    expect((await client.call("RepositoryModelLoad", { model_name: "delay" })).code).toBe(0);
    expect((await client.call("RepositoryModelLoad", { model_name: "other" })).code).toBe(5);
    client.close();
  });
});

describe("unload", () => {
  test("never ends what a route needs, and ends what it does not", async () => {
    const versions = [models.add(1, 0), models.add(2, 1)] as const;
    const source = new MemoryRoutes(route(versions[0]));
    const gateway = await start(source);
    expect(await unload(gateway, "1")).toMatchObject({ status: 409 });
    source.set(route(versions[1], { epoch: 2 }));
    await eventually("epoch 2", () => source.confirmed.includes("delay/2"));
    // The first is kept warm; all together cannot go.
    expect((await ask(gateway, "delay/unload")).status).toBe(409);
    expect((await unload(gateway, "2")).status).toBe(409);
    expect(await unload(gateway, "1")).toEqual({ status: 200, json: {} });
    expect((await unload(gateway, "1")).status).toBe(404);
    expect((await gateway.infer(row)).json.model_version).toBe("2");
    const client = createGrpcClient(gateway.gateway.grpcAddress);
    expect((await client.call("RepositoryModelUnload", { model_name: "delay" })).code).toBe(9);
    expect((await client.call("RepositoryModelUnload", { model_name: "other" })).code).toBe(5);
    client.close();
  });

  test("takes a token where identity is required", async () => {
    const source = new MemoryRoutes(route(models.add(3, 0.1)));
    source.identity = "required";
    const gateway = await start(source);
    expect((await ask(gateway, "delay/load")).status).toBe(401);
    expect((await ask(gateway, "delay/unload", "{}", { authorization: "Bearer mw_made-up" })).status).toBe(401);
    const client = createGrpcClient(gateway.gateway.grpcAddress);
    expect((await client.call("RepositoryModelUnload", { model_name: "delay" })).code).toBe(16);
    client.close();
  });
});

describe("withdraw", () => {
  const canary = { canaryBasisPoints: 9999, leaseUntilMs: Date.now() + NEVER_MS };
  const answeredBy = async (gateway: RunningGateway) => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => gateway.infer(row)));
    return [...new Set(answers.map(({ headers }) => headers.get("modelwright-arm")))];
  };

  test("takes the canary back at once and past a restart, until the next epoch", async () => {
    const [champion, version] = [models.add(1, 0), models.add(2, 1)];
    const source = new MemoryRoutes(route(champion, { epoch: 4, canary: version, ...canary }));
    const gateway = await start(source);
    expect(await answeredBy(gateway)).toContain("canary");
    expect(await ask(gateway, "delay/withdraw", "")).toEqual({ status: 200, json: { endpoint: "delay", epoch: 4 } });
    expect(await answeredBy(gateway)).toEqual(["champion"]);
    await gateway.gateway.stop();
    const again = await start(source);
    // Nor does a lease that is renewed meanwhile bring it back.
    source.set(route(champion, { epoch: 4, canary: version, ...canary, leaseUntilMs: Date.now() + 2 * NEVER_MS }));
    await ask(again, "delay/load");
    expect(await answeredBy(again)).toEqual(["champion"]);
    source.set(route(champion, { epoch: 5, canary: version, ...canary }));
    await eventually("epoch 5", () => source.confirmed.includes("delay/5"));
    expect(await answeredBy(again)).toContain("canary");
  });

  test("takes a promotion back that is observed: the former champion, which is kept warm, answers again", async () => {
    const [former, promoted] = [models.add(1, 0), models.add(2, 1)];
    const source = new MemoryRoutes(route(promoted, { epoch: 6, canary: former, leaseUntilMs: Date.now() + NEVER_MS }));
    const gateway = await start(source);
    expect((await gateway.infer(row)).json.model_version).toBe("2");
    expect((await ask(gateway, "delay/withdraw", "")).json).toEqual({ endpoint: "delay", epoch: 6 });
    expect((await gateway.infer(row)).json.model_version).toBe("1");
    source.set(route(former, { epoch: 7 }));
    await eventually("epoch 7", () => source.confirmed.includes("delay/7"));
    expect(await answeredBy(gateway)).toEqual(["champion"]);
  });

  test("is refused where no champion would answer, for an endpoint nobody routes, and to whoever is no operator", async () => {
    const source = new MemoryRoutes(route(models.add(3, 0.1)));
    const gateway = await start(source);
    expect((await ask(gateway, "other/withdraw")).status).toBe(404);
    source.set({ ...route(models.add(4, 0.2), { epoch: 2 }), champion: null, canary: models.add(5, 0.3), ...canary });
    await eventually("epoch 2", () => source.confirmed.includes("delay/2"));
    expect((await ask(gateway, "delay/withdraw")).status).toBe(409);
    source.identity = "required";
    await ask(gateway, "delay/load");
    expect((await ask(gateway, "delay/withdraw")).status).toBe(401);
  });
});

describe("a memory budget", () => {
  test("closes cold versions before their grace is over, and never what a route names", async () => {
    const versions = [models.add(1, 0), models.add(2, 1), models.add(3, 2)] as const;
    const source = new MemoryRoutes(route(versions[0]));
    // Less than any process takes: what is not named has to go.
    const gateway = await start(source, { memoryBudgetBytes: 1 });
    for (const [index, version] of versions.entries()) {
      source.set(route(version, { epoch: index + 1 }));
      await eventually(`epoch ${index + 1}`, () => source.confirmed.includes(`delay/${index + 1}`));
    }
    await eventually("the first is gone", async () => (await unload(gateway, "1")).status === 404);
    await eventually("the second is gone", async () => (await unload(gateway, "2")).status === 404);
    expect((await gateway.infer(row)).json.model_version).toBe("3");
  });
});
