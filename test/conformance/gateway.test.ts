import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createGrpcClient } from "../unit/serving/grpc-client.ts";
import { runGateway, type RunningGateway } from "../unit/serving/running-gateway.ts";
import { MemoryRoutes, Models, route } from "../unit/serving/served-model.ts";
import { echoModels } from "./echo-model.ts";
import { createHttpTarget } from "./http-target.ts";
import { runChecks, SECTIONS } from "./run-checks.ts";
import type { Result } from "./check.ts";

const models = new Models();
let running: RunningGateway;
let results: readonly Result[];

beforeAll(async () => {
  const routes = echoModels().map(({ suffix, signature, bytes }) => {
    const version = { ...models.addBytes(1, bytes), versionId: randomUUID(), signature };
    return route(version, { endpoint: `echo${suffix}` });
  });
  running = await runGateway(models, new MemoryRoutes(...routes));
  const http = createHttpTarget(running.url);
  const grpc = createGrpcClient(running.gateway.grpcAddress);
  results = await runChecks({ http, grpc, model: "echo" });
  grpc.close();
});
afterAll(async () => {
  await running.gateway.stop();
  models.remove();
});

describe.each(SECTIONS)("$title", ({ title, checks }) => {
  test.each(checks)("$title", (check) => {
    const result = results.find(({ section, ...each }) => section === title && each.title === check.title);
    expect(result).toMatchObject({ outcome: "pass", found: "" });
  });
});
