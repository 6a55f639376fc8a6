import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";

import { Failure } from "../contracts/failures.ts";
import { describeHeldBack, migrate } from "../db/migrate.ts";
import { checkpointFiles } from "./data-directory.ts";
import { lockHolder } from "./lock.ts";
import { loadSecret } from "./secret.ts";
import { once, startServers, type Servers, type ServersOptions } from "./servers.ts";
import { createSupervisor, type ChildSpec, type SupervisedChild } from "./supervisor.ts";
import { replaceWhole } from "./whole-file.ts";

/** Where a running stack can be reached; what `up --json` prints and `<dataDir>/stack.json` holds. */
export interface StackAddresses {
  readonly gateway: string;
  /** Host and port of the gateway's gRPC interface. */
  readonly grpc: string;
  readonly temporal: string;
  readonly temporalNamespace: string;
  /** `null` when the environment named the server. */
  readonly temporalUi: string | null;
  /** Connection string of the application role; holds a password. */
  readonly database: string;
  readonly dataDir: string;
}

export interface Stack {
  readonly addresses: StackAddresses;
  /** Our processes by name: `control`, `compute`, `gateway`. */
  readonly children: ReadonlyMap<string, SupervisedChild>;
  readonly servers: Servers;
  /** Stops what was started, in reverse order. May be called more than once. */
  stop(): Promise<void>;
}

export type StackOptions = Pick<ServersOptions, "dataDir" | "env" | "onProgress" | "signal">;

/**
 * Starts the whole of Modelwright on one data directory: Postgres and Temporal side by side, the schema, the control and
 * compute workers and the gateway. Returns when all answer; fails with STACK_NOT_STARTED or STACK_UNREACHABLE, and then or
 * when `signal` is aborted leaves nothing running.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { env, signal, onProgress = () => undefined } = options;
  onProgress("starting Postgres and Temporal");
  const servers = await startServers(options);
  const { dataDir, reaper } = servers;
  const supervisor = createSupervisor({ dataDir, reaper, onProgress });
  const addressFile = join(dataDir, "stack.json");
  const stop = once(async () => {
    await rm(addressFile, { force: true });
    await supervisor.stop();
    await servers.stop();
  });
  try {
    onProgress("bringing the database schema up to date");
    const database = await prepareDatabase(servers, env, onProgress);
    onProgress("starting the workers and the gateway");
    const specs = await childSpecs({ servers, env, database });
    signal?.throwIfAborted(); // From here on the listener hears of it.
    const interrupt = (): void => void supervisor.stop();
    signal?.addEventListener("abort", interrupt, { once: true });
    await Promise.all(specs.map(async (spec) => await supervisor.start(spec)));
    signal?.removeEventListener("abort", interrupt);
    signal?.throwIfAborted();
    const addresses = addressesOf(servers, database, supervisor.children.get("gateway"));
    const content = `${JSON.stringify(addresses, null, 2)}\n`;
    reaper.removeFile(addressFile, content);
    await replaceWhole(addressFile, content);
    return { addresses, children: supervisor.children, servers, stop };
  } catch (error) {
    await stop().catch(() => undefined); // It would hide the failure that is reported here.
    throw signal?.aborted ? signal.reason : error;
  }
}

/** Addresses of the stack that runs on a data directory, or `undefined` when none does. */
export async function findRunningStack(dataDir: string): Promise<StackAddresses | undefined> {
  if ((await lockHolder(dataDir)) === undefined) return undefined;
  const text = await readFile(join(dataDir, "stack.json"), "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as StackAddresses);
}

/** Brings the schema up to date; returns the connection string of the application role. */
async function prepareDatabase(
  { postgres, dataDir }: Servers,
  env: NodeJS.ProcessEnv,
  onProgress: (line: string) => void,
): Promise<string> {
  // Stacks that share a named database must agree on the role's password, so the environment may name it.
  const applicationPassword =
    env["DATABASE_APPLICATION_PASSWORD"] || (await loadSecret(join(dataDir, "application.password")));
  const { applicationUrl, heldBack } = await migrate({ adminUrl: postgres.adminUrl, applicationPassword });
  for (const held of heldBack) onProgress(describeHeldBack(held));
  return applicationUrl;
}

interface ChildContext {
  readonly servers: Servers;
  readonly env: NodeJS.ProcessEnv;
  readonly database: string;
}

async function childSpecs({ servers, env, database }: ChildContext): Promise<readonly ChildSpec[]> {
  const childEnv: NodeJS.ProcessEnv = {
    ...env,
    DATABASE_URL: database,
    TEMPORAL_ADDRESS: servers.temporal.address,
    TEMPORAL_NAMESPACE: servers.temporal.namespace,
    MODELWRIGHT_DATA_DIR: servers.dataDir,
  };
  const { key, checkpoints } = checkpointFiles(env, servers.dataDir);
  const controlEnv = { ...childEnv, MODELWRIGHT_CHECKPOINT_KEY: key, MODELWRIGHT_CHECKPOINTS: checkpoints };
  // Only the migration acts as the owner of the schema.
  delete childEnv["DATABASE_ADMIN_URL"];
  delete childEnv["DATABASE_APPLICATION_PASSWORD"];
  // Chosen here and not by the gateway: clients keep the address they were given when the gateway is started again.
  const choose = async (asked: string, name: string): Promise<string> =>
    asked === "0" ? String(await servers.ports.choose(name)) : asked;
  const gatewayEnv = {
    ...childEnv,
    GATEWAY_PORT: await choose(env["GATEWAY_PORT"] ?? "0", "gateway"),
    GRPC_PORT: await choose(env["GRPC_PORT"] ?? "0", "grpc"),
  };
  return [
    { name: "control", entry: "workers/control.ts", env: controlEnv },
    { name: "compute", entry: "workers/compute.ts", env: childEnv },
    { name: "gateway", entry: "serving/main.ts", env: gatewayEnv },
  ];
}

function addressesOf(servers: Servers, database: string, gateway: SupervisedChild | undefined): StackAddresses {
  const { temporal, dataDir } = servers;
  const ready = gateway?.ready ?? {};
  return {
    gateway: addressIn(ready, "http", (found) => URL.canParse(found)),
    grpc: addressIn(ready, "grpc", (found) => URL.canParse(`dns://${found}`)),
    temporal: temporal.address,
    temporalNamespace: temporal.namespace,
    temporalUi: temporal.uiUrl,
    database,
    dataDir,
  };
}

function addressIn(
  ready: Readonly<Record<string, unknown>>,
  name: "http" | "grpc",
  isAddress: (found: string) => boolean,
): string {
  const found = ready[name];
  if (typeof found === "string" && isAddress(found)) return found;
  throw new Failure("STACK_NOT_STARTED", {
    what: "gateway",
    reason: `its ready line names no address (${name} is ${JSON.stringify(found)})`,
    wayOut: "see gateway.log in the logs folder of the data directory",
  });
}
