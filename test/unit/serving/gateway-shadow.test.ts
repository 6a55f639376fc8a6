import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ServedVersion } from "../../../contracts/inference.ts";
import { buildGraph } from "../../../core/onnx/build.ts";
import { serializeModel } from "../../../core/onnx/model.ts";
import { eventually, runGateway, tensors, type RunningGateway } from "./running-gateway.ts";
import { MemoryRoutes, modelBytes, Models, route } from "./served-model.ts";

let models: Models;
let source: MemoryRoutes;
let running: RunningGateway | undefined;

beforeEach(() => {
  models = new Models();
  source = new MemoryRoutes();
});
afterEach(async () => {
  await running?.gateway.stop();
  running = undefined;
  models.remove();
});

const shadowed = (champion: ServedVersion, canary: ServedVersion, fields: object = {}) =>
  route(champion, { canary, shadowBasisPoints: 10_000, leaseUntilMs: source.nowMs() + 60_000, ...fields });
const reportsOf = ({ versionId }: ServedVersion) => source.reports.filter((report) => report.versionId === versionId);
const newest = (version: ServedVersion) => reportsOf(version).at(-1);
const ask = async (gateway: RunningGateway, origin: number, times: number) => {
  for (let left = times; left > 0; left -= 1) {
    const answer = await gateway.infer(tensors([origin, 0, 0]));
    expect([answer.status, answer.json.model_version]).toEqual([200, "1"]);
  }
};

/** Its output is no probability: a logit. */
function logitBytes(): Uint8Array {
  const graph = buildGraph("logit");
  const origin = graph.input("origin_code", "INT64", ["batch"]);
  const numbers = graph.input("numbers", "FP32", ["batch", 2]);
  const embedded = graph.add("Gather", [graph.floats("embedding", [4, 1], [0, 7, 7, 7]), origin]);
  const linear = graph.add("Gemm", [numbers, graph.floats("w", [2, 1], [0, 0]), graph.floats("b", [1], [0])]);
  graph.add("Add", [embedded, linear], {}, { output: "probability" });
  graph.output("probability", "FP32", ["batch", 1]);
  return serializeModel(graph.model());
}

describe("a shadowed candidate", () => {
  test("is asked after the champion, compared, and counted apart: nothing of it is in the prediction log", async () => {
    const [champion, candidate] = [models.add(1, 0), models.add(2, -1)];
    source.set(shadowed(champion, candidate));
    running = await runGateway(models, source);
    await ask(running, 0, 3);
    await ask(running, 2, 2);
    await eventually("all are compared", () => newest(candidate)?.shadow?.compared === 5);
    expect(newest(candidate)?.shadow).toMatchObject({ mirrored: 5, shed: 0, errors: 0, disagreed: 3 });
    // sigmoid(0.5) - sigmoid(-0.5), and sigmoid(1) - sigmoid(0)
    expect(newest(candidate)?.shadow?.scoreDifferenceMaximum).toBeCloseTo(0.2449, 3);
    expect(newest(candidate)?.shadow?.scoreDifferenceSum).toBeCloseTo(3 * 0.2449 + 2 * 0.2311, 3);
    await running.gateway.stop();
    expect(running.rows.map(({ arm, outcome, assigned }) => `${arm} ${outcome} ${assigned}`)).toEqual(
      Array.from({ length: 5 }, () => "champion ok true"),
    );
    running = undefined;
  });

  test("that fails costs no client anything, and its failures are its own", async () => {
    const [champion, candidate] = [models.add(1, 0), models.addBytes(2, modelBytes(0, 3))];
    source.set(shadowed(champion, candidate));
    running = await runGateway(models, source);
    await ask(running, 3, 4);
    await eventually("the errors are counted", () => newest(candidate)?.shadow?.errors === 4);
    expect(newest(candidate)?.shadow).toMatchObject({ compared: 0, disagreed: 0 });
  });

  test("is asked nothing once its lease is over: a dead controller mirrors nothing", async () => {
    const [champion, candidate] = [models.add(1, 0), models.add(2, 0)];
    source.set(shadowed(champion, candidate, { leaseUntilMs: source.nowMs() - 1 }));
    running = await runGateway(models, source);
    await ask(running, 0, 3);
    source.set(shadowed(champion, candidate, { epoch: 2 }));
    await eventually("epoch 2", () => source.confirmed.includes("delay/2"));
    await ask(running, 0, 2);
    await eventually("those of epoch 2", () => newest(candidate)?.shadow?.compared === 2);
    expect(reportsOf(candidate).filter(({ epoch, shadow }) => epoch === 1 && shadow !== null)).toEqual([]);
  });
});

describe("what a gateway sees of a rollout's version", () => {
  const halfOf = (champion: ServedVersion, canary: ServedVersion) =>
    route(champion, { canary, canaryBasisPoints: 5000, leaseUntilMs: source.nowMs() + 60_000 });

  test("is told at once: that its process ended, and that it is back", async () => {
    const [champion, candidate] = [models.add(1, 0), models.add(2, 0)];
    source.set(route(champion));
    running = await runGateway(models, source);
    const before = new Set(children());
    source.set({ ...halfOf(champion, candidate), epoch: 2 });
    await eventually("epoch 2", () => source.confirmed.includes("delay/2"));
    const [pid] = children().filter((child) => !before.has(child));
    if (pid === undefined) throw new Error("the candidate has no process");
    process.kill(pid, "SIGKILL");
    await eventually("the exit is reported", () => newest(candidate)?.exits === 1);
    expect(reportsOf(candidate).some(({ exits, unreadyMs }) => exits === 1 && unreadyMs > 0)).toBe(true);
    await eventually("it is back", () => newest(candidate)?.unreadyMs === 0);
    expect(newest(champion)).toMatchObject({ exits: 0, unreadyMs: 0, schemaMismatches: 0 });
  });

  test("is told again until the database has taken it: an answer of other tensors than its signature's", async () => {
    const [champion, candidate] = [models.add(1, 0), models.addBytes(2, logitBytes())];
    source.set({ ...halfOf(champion, candidate), canaryBasisPoints: 9999 });
    running = await runGateway(models, source);
    source.away = true;
    const answer = await running.infer(tensors([1, 0, 0]));
    // The champion took over.
    expect([answer.status, answer.json.model_version]).toEqual([200, "1"]);
    expect(newest(candidate)?.schemaMismatches ?? 0).toBe(0);
    source.away = false;
    await eventually("the mismatch is reported", () => newest(candidate)?.schemaMismatches === 1);
  });

  test("stays out of the way of a promotion: a former champion that will not start is not waited for", async () => {
    const [former, promoted] = [models.addBytes(1, Uint8Array.of(1, 2, 3)), models.add(2, 0)];
    source.set(route(promoted, { canary: former, epoch: 3 }));
    running = await runGateway(models, source);
    await eventually("the promotion is confirmed", () => source.confirmed.includes("delay/3"));
    expect((await running.infer(tensors([0, 0, 0]))).json.model_version).toBe("2");
  });

  test("is not needed to go back: one epoch, and no process is started", async () => {
    const [former, promoted] = [models.add(1, 0), models.add(2, 1)];
    source.set(route(former, { canary: promoted, canaryBasisPoints: 5000, leaseUntilMs: source.nowMs() + 60_000 }));
    running = await runGateway(models, source);
    const gateway = running;
    const before = children();
    source.set(route(promoted, { canary: former, epoch: 2 }));
    await eventually("everything is the promoted one's", () => source.confirmed.includes("delay/2"));
    // Longer than a version that no route names stays: it is kept because it is named.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await gateway.infer(tensors([0, 0, 0]))).json.model_version).toBe("2");
    source.set(route(former, { epoch: 3 }));
    await eventually("it is back", async () => (await gateway.infer(tensors([0, 0, 0]))).json.model_version === "1");
    expect(children().every((child) => before.includes(child))).toBe(true);
  });
});

/** Model processes of this one. */
const children = (): number[] =>
  execFileSync("ps", ["-A", "-o", "pid=,ppid=,comm="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([pid, parent, name]) => (Number(parent) === process.pid && name !== "ps" ? [Number(pid)] : []));
