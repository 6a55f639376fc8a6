import { join } from "node:path";
import type { FeedbackRequest } from "../contracts/inference.ts";
import { watchCertificate, type CertificateFiles, type WatchedCertificate } from "./certificate.ts";
import { createDatabaseClock } from "./database-clock.ts";
import { createGatekeeper, type GatekeeperOptions } from "./gatekeeper.ts";
import { createHandlers, type FeedbackOutcome, type HandlerParts } from "./handlers.ts";
import { startGrpcServer, type GrpcServer } from "./grpc/server.ts";
import { createGrpcService } from "./grpc/service.ts";
import { startHttpServer, type HttpServer } from "./http/server.ts";
import { createMetrics } from "./metrics.ts";
import { createFieldKeeper } from "./log/logged-fields.ts";
import { loadLogSalt } from "./log/log-salt.ts";
import { startPredictionLog } from "./log/prediction-log.ts";
import type { StartShipping } from "./log/shipping.ts";
import { createMirror, type Mirror } from "./mirror.ts";
import type { Quota } from "./quota.ts";
import { createRepository } from "./repository.ts";
import type { RouteSource } from "./route-source.ts";
import { ServingRoutes } from "./routing-table.ts";
import { createStatistics } from "./statistics.ts";
import { createVersionWatch, type VersionWatch } from "./version-watch.ts";
import { createVersionPool, type VersionPoolOptions } from "./version-pool.ts";

export interface GatewayOptions extends Pick<
  VersionPoolOptions,
  "localPath" | "graceMs" | "retryMs" | "memoryBudgetBytes" | "process"
> {
  /** Who it is on record. */
  readonly id: string;
  readonly source: RouteSource;
  /** Brings the journal to where it is asked for. */
  readonly startShipping: StartShipping;
  /** Folder of the journals of requests that Postgres does not have yet. */
  readonly logDirectory: string;
  readonly recordFeedback: (labels: FeedbackRequest["feedback"]) => Promise<FeedbackOutcome>;
  /** Alarms nobody has acknowledged, by kind; for the metrics. */
  readonly openAlarms?: () => ReadonlyMap<string, number>;
  /** Looks a caller's token up, where callers must show one. */
  readonly findToken: GatekeeperOptions["findToken"];
  /** What each caller may ask for; as much as it likes by default. */
  readonly quota?: Quota;
  /** Whether requests are told to the collector that OpenTelemetry's variables name; false by default. */
  readonly traced?: boolean;
  /** File of the last applied routes. */
  readonly snapshotPath: string;
  /** Loopback by default. */
  readonly host?: string;
  /** Where to find the certificate for TLS, over HTTP and gRPC; without it they are plain. */
  readonly tls?: CertificateFiles;
  /** 0, the default: any free one. */
  readonly port?: number;
  /** 0, the default: any free one. */
  readonly grpcPort?: number;
  readonly pollMs?: number;
  /** Of an HTTP body and of a gRPC message; 32 MiB by default. */
  readonly bodyLimitBytes?: number;
  /** How long a request may take to arrive; 30 s by default, in which 32 MiB are a slow line. */
  readonly arriveWithinMs?: number;
  /** Of each protocol; 20,000 by default. */
  readonly maximumConnections?: number;
  /** How long clients are told to close before the gateway does; 300 ms by default. */
  readonly drainMs?: number;
  /** A line for the operator. */
  readonly onLine?: (line: string) => void;
}

export interface Gateway {
  readonly url: string;
  /** Host and port of the same protocol over gRPC. */
  readonly grpcAddress: string;
  /** Answers what has come, writes the prediction log out, ends the model processes. */
  readonly stop: () => Promise<void>;
}

/** Starts a gateway: it answers HTTP and gRPC once the routes it could learn of are served. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const say = options.onLine ?? (() => undefined);
  const onProblem = createProblemLine(say);
  const certificate = options.tls && (await watchCertificate(options.tls, onProblem));
  const clock = createDatabaseClock();
  const metrics = createMetrics();
  const statistics = createStatistics();
  let draining = false;

  const pool = createVersionPool({
    ...options,
    onBatch: (label, { versionId }, { rowCount }) => {
      metrics.countBatch(label, rowCount);
      statistics.countExecution(versionId);
    },
    onExit: (label, exit, { versionId }) => {
      metrics.countExit(label);
      watch.exited(versionId);
      say(`model ${label}: its process ended (${exit}) and is started again`);
    },
  });
  const routes = new ServingRoutes({
    source: options.source,
    pool,
    clock,
    snapshotPath: options.snapshotPath,
    ...(options.pollMs === undefined ? {} : { pollMs: options.pollMs }),
    events: {
      onProblem,
      onApplied: ({ route, complete }) =>
        say(`endpoint ${route.endpoint}: epoch ${route.epoch} is served${complete ? "" : ", without its canary"}`),
    },
  });
  const { log, keepFields, tracer } = await openLogs(options, onProblem);
  const { mirror, watch } = watchVersions(options, routes, onProblem);

  await routes.start();
  watch.start();
  const parts: HandlerParts = {
    routes,
    clock,
    log,
    keepFields,
    tracer,
    metrics,
    statistics,
    mirror,
    watch,
    recordFeedback: options.recordFeedback,
    admit: createGatekeeper({
      identity: () => routes.identity,
      findToken: options.findToken,
      ...(options.quota && { quota: options.quota }),
    }),
    repository: createRepository(routes, pool),
    isReady: () => routes.ready() && !draining,
    openAlarms: options.openAlarms ?? (() => new Map()),
  };
  const servers = await startServers({ ...options, certificate }, parts, say).catch(async (thrown: unknown) => {
    await watch.stop();
    await routes.stop();
    await log.close();
    await pool.close();
    throw thrown;
  });

  return {
    url: servers.http.url,
    grpcAddress: servers.grpc.address,
    stop: async () => {
      draining = true;
      const drainMs = options.drainMs ?? 300;
      await Promise.all([servers.http.stop(drainMs), servers.grpc.stop(drainMs)]);
      certificate?.close();
      await watch.stop();
      await routes.stop();
      await log.close();
      await tracer?.close();
      await pool.close();
    },
  };
}

/** What is told of requests: to Postgres, and to a collector of traces where there is one. */
async function openLogs(options: GatewayOptions, onProblem: (what: string, problem: unknown) => void) {
  const { id: gateway, logDirectory: directory, startShipping, traced } = options;
  return {
    log: await startPredictionLog({ gateway, directory, startShipping, onProblem }),
    keepFields: createFieldKeeper(await loadLogSalt(join(directory, "salt"))),
    tracer: traced ? (await import("./trace/open-telemetry.ts")).startTracing(onProblem) : undefined,
  };
}

/** What rollouts are told of their versions. */
function watchVersions(
  { source, pollMs }: GatewayOptions,
  routes: ServingRoutes,
  onProblem: (what: string, problem: unknown) => void,
): { readonly mirror: Mirror; readonly watch: VersionWatch } {
  const mirror = createMirror({ onMismatch: (versionId) => watch.mismatched(versionId) });
  const watch = createVersionWatch({
    routes,
    mirror,
    report: (report) => source.report(report),
    onProblem,
    ...(pollMs === undefined ? {} : { everyMs: pollMs }),
  });
  return { mirror, watch };
}

/** Of each protocol: an idle one costs some 20 KiB. */
const MAXIMUM_CONNECTIONS = 20_000;

interface Servers {
  readonly http: HttpServer;
  readonly grpc: GrpcServer;
}

/** Both or none. */
async function startServers(
  options: GatewayOptions & { readonly certificate: WatchedCertificate | undefined },
  parts: HandlerParts,
  say: (line: string) => void,
): Promise<Servers> {
  const shared = {
    host: options.host ?? "127.0.0.1",
    certificate: options.certificate,
    arriveWithinMs: options.arriveWithinMs ?? 30_000,
    maximumConnections: options.maximumConnections ?? MAXIMUM_CONNECTIONS,
    onBug: (thrown: unknown) => say(thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)),
  };
  const limitBytes = options.bodyLimitBytes ?? 32 * 2 ** 20;
  const http = await startHttpServer({
    ...shared,
    routes: createHandlers(parts),
    port: options.port ?? 0,
    bodyLimitBytes: limitBytes,
  });
  try {
    const service = createGrpcService(parts, shared.onBug);
    const grpc = await startGrpcServer({
      service,
      host: shared.host,
      certificate: shared.certificate,
      arriveWithinMs: shared.arriveWithinMs,
      maximumConnections: shared.maximumConnections,
      port: options.grpcPort ?? 0,
      messageLimitBytes: limitBytes,
    });
    return { http, grpc };
  } catch (thrown) {
    await http.stop(0);
    throw thrown;
  }
}

const REPEAT_AFTER_MS = 10_000;

/** The same problem every second tells nothing new: a line when it comes, and one every ten seconds while it stays. */
function createProblemLine(say: (line: string) => void): (what: string, problem: unknown) => void {
  const said = new Map<string, number>();
  return (what, problem) => {
    const now = Date.now();
    if (now - (said.get(what) ?? 0) < REPEAT_AFTER_MS) return;
    if (said.size > 1_000) said.clear();
    said.set(what, now);
    // The query layer wraps what Postgres said in the whole statement; the innermost cause is what an operator can act on.
    let cause = problem;
    while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
    say(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`);
  };
}
