import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  startModelProcess,
  type ModelProcess,
  type ModelProcessOptions,
} from "../../../adapters/inference/model-process.ts";
import type { Tensor } from "../../../contracts/data.ts";
import { eventually } from "./running-gateway.ts";
import { expected, Models, SIGNATURE } from "./served-model.ts";

const models = new Models();
const { digest } = models.add(1, 0);
const open: ModelProcess[] = [];
const start = async (options: Partial<ModelProcessOptions> = {}) => {
  const process = await startModelProcess({
    label: "m@1",
    path: models.path(digest),
    digest,
    signature: SIGNATURE,
    ...options,
  });
  open.push(process);
  return process;
};
/** What the shared process told: starting one costs most of a second, and an idle one is as good as new. */
const batches: { rowCount: number; requestCount: number }[] = [];
const exits: string[] = [];
let shared: ModelProcess;
beforeAll(async () => {
  shared = await start({
    onBatch: ({ rowCount, requestCount }) => batches.push({ rowCount, requestCount }),
    onExit: (exit) => exits.push(exit),
  });
  open.length = 0;
});
afterEach(async () => {
  batches.length = 0;
  await Promise.all(open.splice(0).map((process) => process.close()));
});
afterAll(async () => {
  await shared.close();
  models.remove();
});

const request = (origin: number, hour: number, rowCount = 1): Tensor[] => [
  { name: "origin_code", datatype: "INT64", shape: [rowCount], data: new BigInt64Array(rowCount).fill(BigInt(origin)) },
  {
    name: "numbers",
    datatype: "FP32",
    shape: [rowCount, 2],
    data: Float32Array.from({ length: rowCount * 2 }, (_, i) => (i % 2 ? 0 : hour)),
  },
];
/** When what was asked for in this one is on its way. */
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
const codeOf = (thrown: unknown) => (thrown as { code?: string }).code;

describe("a model's process", () => {
  test("runs what waits together as one batch, and gives each request its own rows", async () => {
    const hours = Array.from({ length: 20 }, (_, i) => i / 10);
    const answers = await Promise.all(hours.map((hour, i) => shared.infer(request(i % 4, hour, 1 + (i % 3)))));
    for (const [i, [output]] of answers.entries()) {
      expect(output!.shape).toEqual([1 + (i % 3), 1]);
      for (const value of output!.data) expect(value).toBeCloseTo(expected(0, i % 4, hours[i]!, 0), 6);
    }
    expect(batches.map(({ requestCount }) => requestCount)).toEqual([20]);
  });

  test("that is idle runs what came in one turn of the event loop, and what comes later is the next run", async () => {
    const first = [shared.infer(request(0, 0)), shared.infer(request(0, 0))];
    await nextTurn();
    const later = [shared.infer(request(0, 0)), shared.infer(request(0, 0)), shared.infer(request(0, 0))];
    await Promise.all([...first, ...later]);
    expect(batches.map(({ requestCount }) => requestCount)).toEqual([2, 3]);
  });

  test("keeps a batch below its limit, and runs a larger request alone", async () => {
    const rows: number[] = [];
    const process = await start({ maximumBatchRows: 8, onBatch: ({ rowCount }) => rows.push(rowCount) });
    await Promise.all([
      ...Array.from({ length: 11 }, () => process.infer(request(0, 0))),
      process.infer(request(0, 0, 30)),
    ]);
    expect(rows).toEqual([8, 3, 30]);
  });

  test("waits for company as long as its record says, and no longer than until the batch is full", async () => {
    const { record } = models.addMeasured(1, 0, { waitMs: 60_000, maximumBatchRows: 8 });
    const rows: number[] = [];
    const process = await start({ record, onBatch: ({ rowCount }) => rows.push(rowCount) });
    await Promise.all(Array.from({ length: 8 }, () => process.infer(request(0, 0))));
    expect(rows).toEqual([8]);
    const last = process.infer(request(0, 0));
    await process.close();
    await expect(last).resolves.toHaveLength(1);
    const patient = await start({ record: { ...record, waitMs: 20 } });
    await expect(patient.infer(request(0, 0))).resolves.toHaveLength(1);
  });

  test("is ready only when it answers its golden rows as it did where it was measured", async () => {
    const { record } = models.addMeasured(1, 0, { goldenBias: 0.01 });
    await expect(start({ record })).rejects.toMatchObject({
      code: "HOST_NOT_PROVEN",
      fields: {
        model: "m@1",
        found: expect.stringMatching(/^output "probability" is at \d+(\.\d)? dB$/),
        allowed: "at least 60 dB, or 0 % of elements that are no floats",
        measured: "ONNX Runtime 1.0.0 with avx2",
      },
    });
    await expect(start({ record: models.addMeasured(1, 0).record })).resolves.toBeDefined();
  });

  test("lets no request pay for another one's fault", async () => {
    const first = shared.infer(request(0, 0));
    const others = Array.from({ length: 5 }, (_, i) => shared.infer(request(i === 2 ? 99 : 1, 1)));
    await first;
    const outcomes = await Promise.allSettled(others);
    expect(outcomes.map(({ status }) => status)).toEqual([
      "fulfilled",
      "fulfilled",
      "rejected",
      "fulfilled",
      "fulfilled",
    ]);
    expect(outcomes.map((outcome) => outcome.status === "rejected" && codeOf(outcome.reason))).toContain(
      "INFERENCE_FAILED",
    );
  });

  test("refuses what it cannot queue, and takes more when the queue is empty", async () => {
    const process = await start({ maximumWaitingRows: 10 });
    const outcomes = await Promise.allSettled(Array.from({ length: 40 }, () => process.infer(request(0, 0, 2))));
    const refused = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(refused.length).toBeGreaterThan(20);
    expect(new Set(refused.map(({ reason }) => codeOf(reason)))).toEqual(new Set(["GATEWAY_OVERLOADED"]));
    expect(process.waitingRows()).toBe(0);
    await expect(process.infer(request(0, 0))).resolves.toHaveLength(1);
  });

  test("that is idle takes two requests of one turn that are each as large as what may wait", async () => {
    const process = await start({ maximumWaitingRows: 10 });
    const outcomes = await Promise.allSettled(Array.from({ length: 3 }, () => process.infer(request(0, 0, 10))));
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
  });

  test("that is killed fails what it runs, is started again, and answers what waited", async () => {
    const killed = shared.pid()!;
    // Stopped first, so that it cannot answer before it dies.
    process.kill(killed, "SIGSTOP");
    const running = shared.infer(request(0, 0));
    await nextTurn();
    const waiting = shared.infer(request(0, 1));
    process.kill(killed, "SIGKILL");
    const [ran, waited] = await Promise.allSettled([running, waiting]);
    expect(ran.status === "rejected" && codeOf(ran.reason)).toBe("INFERENCE_PROCESS_DIED");
    expect(waited.status).toBe("fulfilled");
    expect(exits).toEqual([expect.stringMatching(/^SIGKILL/)]);
    expect(shared.pid()).not.toBe(killed);
  });

  test("answers what it has taken before it closes", async () => {
    const process = await start();
    const answers = Promise.all(Array.from({ length: 10 }, () => process.infer(request(0, 0))));
    await process.close();
    expect(await answers).toHaveLength(10);
    await expect(process.infer(request(0, 0))).rejects.toThrow("closing");
  });

  test.each([
    ["other bytes than the digest says", { digest: "0".repeat(64) }, "DIGEST_MISMATCH"],
    ["a file that is not there", { path: "/nowhere.onnx" }, "FILE_MISSING"],
  ])("does not start with %s", async (_, options, code) => {
    await expect(start(options)).rejects.toMatchObject({ code });
  });

  test("ends when its parent is killed", async () => {
    const parent = fork(
      fileURLToPath(new URL("./parent-of-a-model.ts", import.meta.url)),
      [models.path(digest), digest],
      {
        execArgv: ["--import", "tsx"],
      },
    );
    const [pid] = (await once(parent, "message")) as [number];
    const lives = () => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false;
      }
    };
    expect(lives()).toBe(true);
    parent.kill("SIGKILL");
    await eventually("its end", () => !lives());
  });
});
