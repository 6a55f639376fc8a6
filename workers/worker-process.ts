import { Client, Connection } from "@temporalio/client";
import { DefaultLogger, NativeConnection, Runtime, type Worker } from "@temporalio/worker";
import { createActivities, type Activities } from "../activities/index.ts";
import { createFileStore } from "../adapters/artifacts/file-store.ts";
import { createKnownGateways, type KnownGateways } from "../adapters/gateways/known-gateways.ts";
import { createTemporalSchedules, type Schedules } from "../adapters/schedules/temporal.ts";
import { openDatabase, type Database } from "../db/client.ts";
import { hear } from "../db/hear.ts";
import { refusePowerfulRole } from "../db/refuse-powerful-role.ts";
import { activityCodeDigest } from "./source-digest.ts";
import { parseEnvironment, type WorkerEnvironment } from "./environment.ts";

/** What both worker processes share. */
export interface WorkerTools {
  readonly environment: WorkerEnvironment;
  readonly connection: NativeConnection;
  readonly client: Client;
  readonly activities: Activities;
  readonly schedules: Schedules;
  readonly gateways: KnownGateways;
  readonly database: Database;
}

/**
 * Life of a worker process: connects, makes its worker, says `{"ready":true}` and runs until it is told to stop or its parent is
 * gone. `started` runs once the worker polls.
 */
export async function runWorkerProcess(options: {
  readonly maximumConnections: number;
  readonly create: (tools: WorkerTools) => Promise<{
    readonly worker: Worker;
    readonly started?: (signal: AbortSignal) => Promise<void>;
    readonly close?: () => Promise<void>;
  }>;
}): Promise<void> {
  const environment = parseEnvironment(process.env);
  Runtime.install({ logger: new DefaultLogger("WARN"), shutdownSignals: [] });
  const connection = await NativeConnection.connect({ address: environment.temporalAddress });
  const clientConnection = await Connection.connect({ address: environment.temporalAddress });
  const client = new Client({ connection: clientConnection, namespace: environment.namespace });
  const database = openDatabase({ url: environment.databaseUrl, maximumConnections: options.maximumConnections });
  const allowed = refusePowerfulRole(database, (reason) => console.error("waiting for the database:", reason));
  // Canaries are taken back while Postgres is away too: its role is judged as soon as it answers.
  await hear(allowed);
  const schedules = createTemporalSchedules(client);
  const gateways = createKnownGateways(environment.gatewayToken);
  const activities = createActivities({
    database,
    artifacts: createFileStore(environment.artifactsDirectory),
    schedules,
    gateways,
    checkpoints: environment.checkpoints,
    codeDigest: await activityCodeDigest(),
    workDirectory: environment.workDirectory,
  });

  const { worker, started, close } = await options.create({
    environment,
    connection,
    client,
    activities,
    schedules,
    gateways,
    database,
  });
  const stopping = new AbortController();
  const stop = () => {
    stopping.abort();
    if (worker.getState() === "RUNNING") worker.shutdown();
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, stop);

  const running = worker.run();
  let refusal: unknown = null;
  allowed.catch((thrown: unknown) => {
    refusal = thrown;
    stop();
  });
  await started?.(stopping.signal);
  process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
  try {
    await running;
  } finally {
    await close?.();
    await database.close();
    await clientConnection.close();
    await connection.close();
  }
  if (refusal !== null) throw refusal;
}
