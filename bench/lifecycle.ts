import { randomUUID } from "node:crypto";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import type { Client } from "@temporalio/client";
import { bundleWorkflowCode, NativeConnection, Worker } from "@temporalio/worker";
import { QUEUES, workflowIds } from "../contracts/names.ts";
import { startLifecycle, type StubSpec } from "../test/workflow/start.ts";
import { openWorkflowStage } from "../test/workflow/workers.ts";
import { withServers } from "./stub-servers.ts";
import type { BareChain } from "./stub-workflow.ts";

/**
 * `npm run bench -- lifecycle`: what the order of `modelLifecycle` costs when its stages do nothing, beside a bare workflow of the
 * SDK with as many activities on as many queues, on the same server in the same run. The two take turns, so that what else the
 * machine does meets both. One JSON line a measure.
 */
const PEER = "bare SDK workflow with as many activities";
const WARM_UP_ROUNDS = 3;
const ROUNDS = 20;
const AT_ONCE = 20;
const BARE_QUEUES: Readonly<Record<string, string>> = {
  [QUEUES.control]: "bare-control",
  [QUEUES.compute]: "bare-compute",
};

type Run = () => Promise<unknown>;
interface Pair {
  readonly ours: Run;
  readonly peer: Run;
}

await withServers(async (address) => {
  const stage = await openWorkflowStage(address);
  // An empty endpoint: the version is promoted without looks, whose waiting would be all that is measured.
  stage.stubs.set({
    openRollout: async () => ({
      hasChampion: false,
      stepCount: 3,
      lookIntervalMs: 5,
      deadlineMs: 600_000,
      onDeadline: "rollback",
    }),
  });
  const closeBare = await startBareWorkers(address, stage.client.options.namespace);
  try {
    await measure(stage.client, "to a passed evaluation", () => ({}));
    await measure(stage.client, "to a monitored endpoint", (endpoint) => ({ endpoint, monitored: true }));
  } finally {
    await closeBare();
    await stage.close();
  }
});

async function measure(client: Client, what: string, specOf: (endpoint: string) => StubSpec): Promise<void> {
  const ours = async () => {
    const id = randomUUID();
    const { status } = await (await startLifecycle(client, id, specOf(id))).result();
    if (status !== "completed") throw new Error(`lifecycle ${id} ended as ${status}`);
    return id;
  };
  const taskQueues = await activityQueues(client, await ours());
  const peer = () =>
    client.workflow.execute("bareChain", {
      taskQueue: BARE_QUEUES[QUEUES.control] ?? "",
      workflowId: randomUUID(),
      args: [{ taskQueues } satisfies BareChain],
    });
  const label = `${what}, ${taskQueues.length} activities`;
  const single = await oneAtATime({ ours, peer });
  print(`p50 of one lifecycle ${label}`, "ms", single.ours, single.peer);
  const many = await manyAtOnce({ ours, peer });
  print(`lifecycles per second ${label}, ${AT_ONCE} at once`, "lifecycles/s", many.ours, many.peer);
}

/** Where the activities of a lifecycle and of its rollout ran, in order, as their histories tell. */
async function activityQueues(client: Client, lifecycleId: string): Promise<readonly string[]> {
  const queuesOf = async (workflowId: string) => {
    const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
    return (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: scheduled }) => {
      const bare = BARE_QUEUES[scheduled?.taskQueue?.name ?? ""];
      return bare === undefined ? [] : [bare];
    });
  };
  const rollout = await queuesOf(workflowIds.rollout(lifecycleId)).catch(() => []);
  return [...(await queuesOf(workflowIds.lifecycle(lifecycleId))), ...rollout];
}

async function oneAtATime({ ours, peer }: Pair): Promise<{ ours: number; peer: number }> {
  const times = { ours: [] as number[], peer: [] as number[] };
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    for (const [side, run] of [
      ["ours", ours],
      ["peer", peer],
    ] as const) {
      const before = performance.now();
      await run();
      if (round >= 0) times[side].push(performance.now() - before);
    }
  }
  return { ours: median(times.ours), peer: median(times.peer) };
}

/** Per second, from the median of three batches. */
async function manyAtOnce({ ours, peer }: Pair): Promise<{ ours: number; peer: number }> {
  const perSecond = { ours: [] as number[], peer: [] as number[] };
  for (let round = 0; round < 3; round++) {
    for (const [side, run] of [
      ["ours", ours],
      ["peer", peer],
    ] as const) {
      const before = performance.now();
      await Promise.all(Array.from({ length: AT_ONCE }, run));
      perSecond[side].push(AT_ONCE / ((performance.now() - before) / 1000));
    }
  }
  return { ours: median(perSecond.ours), peer: median(perSecond.peer) };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** The peer's own workers, with the same settings as ours, on queues of their own. */
async function startBareWorkers(address: string, namespace: string): Promise<() => Promise<void>> {
  const connection = await NativeConnection.connect({ address });
  const workflowsPath = fileURLToPath(new URL("./stub-workflow.ts", import.meta.url));
  const quiet = () => undefined;
  const logger = { log: quiet, trace: quiet, debug: quiet, info: quiet, warn: quiet, error: console.error };
  const { code } = await bundleWorkflowCode({ workflowsPath, logger });
  const activities = { nothing: async () => undefined };
  const shared = { connection, namespace, activities };
  const workers = await Promise.all([
    Worker.create({ ...shared, taskQueue: BARE_QUEUES[QUEUES.control] ?? "", workflowBundle: { code } }),
    Worker.create({ ...shared, taskQueue: BARE_QUEUES[QUEUES.compute] ?? "" }),
  ]);
  const running = Promise.all(workers.map((worker) => worker.run()));
  return async () => {
    for (const worker of workers) worker.shutdown();
    await running;
    await connection.close();
  };
}

function print(measured: string, unit: string, value: number, peerValue: number): void {
  const round = (number: number) => Number(number.toPrecision(4));
  const line = {
    bench: "lifecycle",
    measure: measured,
    value: round(value),
    unit,
    peer: PEER,
    peerValue: round(peerValue),
    ratio: round(value / peerValue),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
