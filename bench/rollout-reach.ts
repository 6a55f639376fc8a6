import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client as PostgresClient } from "pg";
import { connect, type Modelwright } from "../client/index.ts";
import { startStack, type StackAddresses } from "../local/stack.ts";
import { tinyModel } from "../test/fixtures/lifecycle/tiny-project.ts";

/**
 * `npm run bench -- rollout-reach`: from the moment somebody asks for another share, or for an abort, until the last of several gateways
 * serves it, by the database's clock: a whole stack, gateways in processes of their own, nothing simulated. One JSON line a measure.
 */
const GATEWAYS = 4;
const SHARE_CHANGES = 100;
const ABORTS = 100;
const ENDPOINT = "reach";
const GRACE = { by: "grace", reason: "measuring" };
/** What the product promises of an abort, in milliseconds at p99. */
const PROMISED_MS = 2000;

const directory = await mkdtemp(join(tmpdir(), "modelwright-bench-"));
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(DATABASE|TEMPORAL)_/.test(name)));
const stack = await startStack({ dataDir: join(directory, "data"), env });
const others = await Promise.all(Array.from({ length: GATEWAYS - 1 }, () => startGateway(stack.addresses)));
const postgres = new PostgresClient({ connectionString: stack.addresses.database });
const client = await connect(stack.addresses);
try {
  await postgres.connect();
  await register(client);
  await deploy(client, 1);
  const shares: number[] = [];
  await deploy(client, 2);
  for (let change = 0; change < SHARE_CHANGES; change += 1) {
    const share = { basisPoints: 1 + (change % 100), override: false };
    shares.push(await reach(() => client.setShare(ENDPOINT, { ...GRACE, share })));
  }
  await client.rollback(ENDPOINT, GRACE);
  const aborts: number[] = [];
  for (let abort = 0; abort < ABORTS; abort += 1) {
    await deploy(client, 2);
    aborts.push(await reach(() => client.rollback(ENDPOINT, GRACE)));
  }
  print("a share that was set", shares);
  print("an abort", aborts);
} finally {
  await postgres.end();
  await client.close();
  await Promise.all(others.map(stop));
  await stack.stop();
  await rm(directory, { recursive: true, force: true });
}

/** Milliseconds from asking until the last gateway serves what came of it, which it says the moment it does. */
async function reach(ask: () => Promise<unknown>): Promise<number> {
  const { rows } = await postgres.query<{ now: Date; epoch: number }>(
    "SELECT clock_timestamp() AS now, current_epoch AS epoch FROM endpoint WHERE name = $1",
    [ENDPOINT],
  );
  const [before] = rows;
  if (!before) throw new Error(`no endpoint ${ENDPOINT}`);
  const asked = ask();
  const last = await confirmed(before.epoch + 1);
  await asked;
  return last.getTime() - before.now.getTime();
}

/** When the last gateway began to serve an epoch. */
async function confirmed(epoch: number): Promise<Date> {
  for (;;) {
    const { rows } = await postgres.query<{ gateways: string; last: Date }>(
      "SELECT count(*) AS gateways, max(at) AS last FROM gateway_route WHERE endpoint = $1 AND epoch >= $2",
      [ENDPOINT, epoch],
    );
    const [found] = rows;
    if (found && Number(found.gateways) === GATEWAYS) return found.last;
    await sleep(20);
  }
}

/** A rollout that stays in its first step until somebody ends it; the first version is the champion at once. */
async function deploy(modelwright: Modelwright, version: number): Promise<void> {
  const { rows } = await postgres.query<{ epoch: number }>("SELECT current_epoch AS epoch FROM endpoint");
  const plan = { steps: [1000], minimumRequestsPerStep: 1_000_000, lookIntervalMs: 1000, leaseMs: 60_000 };
  const place = { endpoint: ENDPOINT, environment: "staging", as: "ada" };
  const named = { model: ENDPOINT, version, plan: { ...plan, onUnwinnable: "start" } };
  const { result } = await modelwright.deploy({ ...place, ...named });
  if (version === 1) await result();
  await confirmed((rows[0]?.epoch ?? 0) + 1);
}

async function register(modelwright: Modelwright): Promise<void> {
  const signaturePath = join(directory, "signature.json");
  const features = ["hour", "distance"].map((column) => ({ kind: "number", column, mean: 0, deviation: 1 }));
  const signature = {
    inputs: [{ name: "numbers", datatype: "FP32", shape: [-1, 2], features }],
    outputs: [{ name: "probability", datatype: "FP32", shape: [-1, 1] }],
    label: "late",
    prediction: { kind: "binary", output: "probability" },
  };
  await writeFile(signaturePath, JSON.stringify(signature));
  for (const slope of [1, 1.1]) {
    const path = join(directory, `${slope}.onnx`);
    await writeFile(path, tinyModel(slope));
    await modelwright.register({ model: ENDPOINT, path, signaturePath, as: "ada" });
  }
}

async function startGateway({ database, dataDir }: StackAddresses): Promise<ChildProcess> {
  const child = fork("serving/main.ts", [], {
    execArgv: ["--import", "tsx"],
    env: { ...env, DATABASE_URL: database, MODELWRIGHT_DATA_DIR: dataDir },
    stdio: ["ignore", "pipe", "ignore", "ipc"],
  });
  if (child.stdout) await once(child.stdout, "data");
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

function print(what: string, times: readonly number[]): void {
  const sorted = times.toSorted((a, b) => a - b);
  for (const percent of [50, 99]) {
    const value = sorted[Math.ceil((percent / 100) * sorted.length) - 1] ?? Number.NaN;
    const measure = `p${percent} from asking to the last of ${GATEWAYS} gateways, ${what}, ${times.length} times`;
    const measured = { bench: "rollout-reach", measure, value, unit: "ms", peer: "promised", peerValue: PROMISED_MS };
    process.stdout.write(`${JSON.stringify({ ...measured, ratio: value / PROMISED_MS })}\n`);
  }
}
