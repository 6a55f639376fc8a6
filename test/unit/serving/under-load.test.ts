import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually, runGateway, tensors, type InferAnswer, type RunningGateway } from "./running-gateway.ts";
import { MemoryRoutes, Models, route } from "./served-model.ts";

const CLIENTS = 8;
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

/** Clients that ask again when they were answered, for as long as the work takes. */
async function askDuring(gateway: RunningGateway, work: Promise<void>): Promise<readonly InferAnswer[]> {
  const over = new AbortController();
  void work.finally(() => over.abort());
  const answers: InferAnswer[] = [];
  const clients = Array.from({ length: CLIENTS }, async () => {
    while (!over.signal.aborted) answers.push(await gateway.infer(row));
  });
  await Promise.all([work, ...clients]);
  return answers;
}

/** The processes of models that this process has started. */
const modelProcesses = (): number[] =>
  execFileSync("ps", ["-A", "-o", "pid=,ppid=,args="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([pid, parent, ...words]) =>
      Number(parent) === process.pid && words.join(" ").includes("model-process-child") ? [Number(pid)] : [],
    );

test("1,000 hot swaps between two versions fail no request, and each request is answered by one of them", async () => {
  const versions = [models.add(1, 0), models.add(2, 1)] as const;
  const source = new MemoryRoutes(route(versions[0]));
  running = await runGateway(models, source, { graceMs: 60_000 });
  const swaps = async () => {
    for (let epoch = 2; epoch <= 1_001; epoch++) {
      source.set(route(epoch % 2 ? versions[0] : versions[1], { epoch }));
      // The next poll may take several at once; the last one is waited for.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await eventually("the last epoch", () => source.confirmed.includes("delay/1001"));
  };
  const answers = await askDuring(running, swaps());
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  expect(new Set(answers.map(({ json }) => json.model_version))).toEqual(new Set(["1", "2"]));
  expect(source.confirmed.length).toBeGreaterThan(100);
});

test("a champion's process that is killed costs its clients 503 and a time to come again, until it is back", async () => {
  const source = new MemoryRoutes(route(models.add(3, 0.1)));
  running = await runGateway(models, source);
  const gateway = running;
  const kill = async () => {
    await eventually("answers", () => gateway.counts.length > 0 || gateway.rows.length > 0);
    const [pid] = modelProcesses();
    process.kill(pid!, "SIGKILL");
    await eventually("its end is told", () => gateway.lines.some((line) => line.includes("its process ended")));
    await eventually("an answer again", async () => (await gateway.infer(row)).status === 200);
  };
  const answers = await askDuring(gateway, kill());
  const failed = answers.filter(({ status }) => status !== 200);
  for (const { status, headers, json } of failed) {
    expect([status, headers.get("retry-after"), typeof json.error]).toEqual([503, "1", "string"]);
  }
  // Those that ran when it was killed; what waits meanwhile is answered by the process that comes after it.
  expect(failed.length).toBeLessThanOrEqual(CLIENTS);
  expect((await gateway.infer(row)).status).toBe(200);
});
