import "./heap-growth.ts";
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { createFileStore } from "../adapters/artifacts/file-store.ts";
import { Failure } from "../contracts/failures.ts";
import { openDatabase } from "../db/client.ts";
import { refusePowerfulRole } from "../db/refuse-powerful-role.ts";
import { findToken, listTokensFor, loadIdentityMode } from "../db/queries/identity.ts";
import { removeGateway } from "../db/queries/gateway.ts";
import { createDatabaseRoutes } from "./database-routes.ts";
import { recordLabels } from "./database-feedback.ts";
import { shipInThread } from "./log/shipping-thread.ts";
import { watchAlarms } from "./alarms.ts";
import { isTracingAsked } from "./trace/tracer.ts";
import { followOperators } from "./operator-tokens.ts";
import { createQuota } from "./quota.ts";
import { startGateway } from "./gateway.ts";

/**
 * Entry of the gateway's process. Environment: DATABASE_URL (application role), MODELWRIGHT_DATA_DIR, GATEWAY_PORT and
 * GRPC_PORT (0: any), GATEWAY_HOST (loopback), GATEWAY_REQUESTS_PER_SECOND (of one caller; no bound), GATEWAY_MODEL_MEMORY_MB (what
 * all models together may hold; no bound), GATEWAY_ADDRESS (where workers reach it; its host and port), GATEWAY_TLS_CERT and GATEWAY_TLS_KEY (PEM files; plain without). Prints one JSON line
 * when it answers. Ends in order on SIGTERM, on SIGINT, and when the parent's channel closes.
 */
const url = required("DATABASE_URL");
const dataDir = required("MODELWRIGHT_DATA_DIR");
const host = process.env["GATEWAY_HOST"] ?? "127.0.0.1";
const port = Number(process.env["GATEWAY_PORT"] ?? 0);
const grpcPort = Number(process.env["GRPC_PORT"] ?? 0);
const requestsPerSecond = Number(process.env["GATEWAY_REQUESTS_PER_SECOND"] ?? 0);
const memoryMegabytes = Number(process.env["GATEWAY_MODEL_MEMORY_MB"] ?? 0);
const tls = process.env["GATEWAY_TLS_CERT"]
  ? { certificatePath: process.env["GATEWAY_TLS_CERT"], keyPath: required("GATEWAY_TLS_KEY") }
  : null;
const id = `${hostname()}/${process.pid}/${randomUUID().slice(0, 8)}`;

const ANSWER_WITHIN_MS = 2000;

const database = openDatabase({ url, maximumConnections: 5 });
// While Postgres is away a gateway serves what it last knew; it is asked for its role as soon as somebody answers.
const allowed = refusePowerfulRole(database, (reason) => console.error("waiting for the database:", reason));
await Promise.race([allowed, sleep(ANSWER_WITHIN_MS)]);
const store = createFileStore(join(dataDir, "artifacts"));
const alarms = watchAlarms(database, url);
const tokens = await followOperators({
  find: (hash) => findToken(database, { hash }),
  listOperators: async () =>
    (await loadIdentityMode(database)) === "required" ? listTokensFor(database, "deploy") : new Map(),
});

let address: string | null = null;
const gateway = await startGateway({
  id,
  source: createDatabaseRoutes({ database, url, gateway: id, address: () => address }),
  localPath: store.localPath,
  startShipping: shipInThread({ databaseUrl: url }),
  logDirectory: join(dataDir, "gateway", "log"),
  recordFeedback: (labels) => recordLabels(database, labels),
  openAlarms: alarms.open,
  ...(requestsPerSecond > 0 && { quota: createQuota({ requestsPerSecond, nowMs: () => performance.now() }) }),
  traced: isTracingAsked(process.env),
  findToken: tokens.find,
  snapshotPath: join(dataDir, "gateway", `routes-${hostname()}-${port}.json`),
  host,
  port,
  grpcPort,
  ...(tls ? { tls } : {}),
  ...(memoryMegabytes > 0 ? { memoryBudgetBytes: memoryMegabytes * 2 ** 20 } : {}),
  onLine: (line) => process.stderr.write(`${new Date().toISOString()} ${line}\n`),
});

address = process.env["GATEWAY_ADDRESS"] || reachable(gateway.url);

let stopping = false;
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  await gateway.stop();
  await alarms.close();
  tokens.close();
  await removeGateway(database, id).catch(() => undefined);
  await database.close();
  process.exit();
}
allowed.catch(async (error: unknown) => {
  console.error(error instanceof Failure ? error.message : error);
  process.exitCode = 1;
  await stop();
});
process.on("SIGTERM", () => void stop());
process.on("SIGINT", () => void stop());
process.on("disconnect", () => void stop());

process.stdout.write(`${JSON.stringify({ ready: true, http: gateway.url, grpc: gateway.grpcAddress })}\n`);

/** An address of all interfaces is none to others; the machine's name is, where names are resolved, as among containers. */
function reachable(url: string): string {
  const found = new URL(url);
  if (["0.0.0.0", "[::]"].includes(found.hostname)) found.hostname = hostname();
  return found.origin;
}

function required(name: string): string {
  const value = process.env[name];
  if (value) return value;
  throw new Failure("STACK_NOT_STARTED", {
    what: "the gateway",
    reason: `${name} is not in its environment`,
    wayOut: "start it with `modelwright up`, or set the variable",
  });
}
