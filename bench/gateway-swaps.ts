import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { runLoad, startBenchGateway, writeModels } from "./gateway/children.ts";
import { startBenchDatabase } from "./gateway/database.ts";

/**
 * `npm run bench -- gateway-swaps [--swaps N]`: 1,000 hot swaps under load, or as many as told, every tenth of them to a version that has to
 * be loaded and unloads another: failed requests, and the memory of the gateway's process before and after.
 */
const { values } = parseArgs({
  args: process.argv.slice(3),
  options: { swaps: { type: "string", default: "1000" } },
});
const swaps = Number(values.swaps);
if (!Number.isSafeInteger(swaps) || swaps < 1) throw new Error(`--swaps ${values.swaps}: a whole number of at least 1`);
const LOADS_EVERY = 10;
const ROUND_SECONDS = 20;

const directory = await mkdtemp(join(tmpdir(), "modelwright-bench-"));
const database = await startBenchDatabase(join(directory, "database"));
try {
  const files = (await writeModels(directory)).filter(({ name }) => name === "tabular");
  const gateway = await startBenchGateway(directory, database.url);
  try {
    // Two versions that stay warm because they are named in turn, and one after the other that is new.
    await gateway.serve(files, 1, 1);
    await gateway.serve(files, 2, 2);
    const loads = { requests: 0, failures: 0 };
    const over = new AbortController();
    const loading = (async () => {
      while (!over.signal.aborted) {
        const request = {
          url: gateway.url,
          model: "tabular",
          rowCount: 1,
          encoding: "binary",
          connectionCount: 8,
        } as const;
        const load = await runLoad({ ...request, seconds: ROUND_SECONDS });
        loads.requests += load.perSecond * ROUND_SECONDS;
        loads.failures += load.failures;
      }
    })();
    await sleep(2_000);
    const before = await gateway.memoryBytes();
    for (let swap = 1; swap <= swaps; swap++) {
      const number = swap % LOADS_EVERY === 0 ? 2 + swap / LOADS_EVERY : 1 + (swap % 2);
      await gateway.serve(files, 2 + swap, number);
    }
    over.abort();
    await loading;
    const after = await gateway.memoryBytes();
    const print = (measure: string, value: number, unit: string) =>
      process.stdout.write(
        `${JSON.stringify({ bench: "gateway-swaps", measure, value, unit, peer: null, peerValue: null, ratio: null })}\n`,
      );
    print(`failed requests in ${swaps} swaps`, loads.failures, "requests");
    print("requests answered meanwhile", Math.round(loads.requests), "requests");
    print("memory before", Math.round(before / 2 ** 20), "MiB");
    print(`memory after ${Math.floor(swaps / LOADS_EVERY)} loads and unloads`, Math.round(after / 2 ** 20), "MiB");
  } finally {
    await gateway.stop();
  }
} finally {
  await database.stop();
  await rm(directory, { recursive: true, force: true });
}
