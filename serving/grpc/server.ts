import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  experimental,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { WatchedCertificate } from "../certificate.ts";
import { listen } from "../listen.ts";
import { boundMessages } from "./bound-messages.ts";

export interface GrpcServerOptions {
  readonly service: UntypedServiceImplementation;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Of one request, decompressed; answers have no limit. */
  readonly messageLimitBytes: number;
  /** With one the server speaks TLS and nothing else. */
  readonly certificate?: WatchedCertificate | undefined;
  /** How long a request may take to arrive. A connection without a call leaves after twice as long: clients come again by themselves. */
  readonly arriveWithinMs: number;
  /** Beyond it connections are closed as they come. */
  readonly maximumConnections: number;
}

export interface GrpcServer {
  /** Host and port. */
  readonly address: string;
  /** Waits for clients to leave, refuses new calls, answers those under way. */
  readonly stop: (drainMs: number) => Promise<void>;
}

const CALLS_TIMEOUT_MS = 30_000;
/** More of them wait at the client. */
const CALLS_A_CONNECTION = 100;

const PROTOCOL = fileURLToPath(new URL("../protocol/grpc-inference.proto", import.meta.url));

/** The service of the protocol, ready to be served or called. 64-bit integers are decimal text, so that none is rounded. */
export function loadServiceDefinition(): ServiceDefinition {
  const loaded = loadSync(PROTOCOL, { keepCase: true, longs: String, defaults: true, arrays: true, oneofs: true });
  return loaded["inference.GRPCInferenceService"] as ServiceDefinition;
}

function credentialsOf(certificate: WatchedCertificate | undefined): ServerCredentials {
  if (!certificate) return ServerCredentials.createInsecure();
  const update = () => ({ certificate: certificate.current().cert, privateKey: certificate.current().key });
  const provider: experimental.CertificateProvider = {
    addCaCertificateListener: () => undefined,
    removeCaCertificateListener: () => undefined,
    addIdentityCertificateListener: (listener) => {
      process.nextTick(() => listener(update()));
      certificate.onChange(() => listener(update()));
    },
    removeIdentityCertificateListener: () => undefined,
  };
  return experimental.createCertificateProviderServerCredentials(provider, null, false);
}

export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const server = new Server({
    "grpc.max_receive_message_length": options.messageLimitBytes,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": CALLS_A_CONNECTION,
    "grpc.max_connection_idle_ms": 2 * options.arriveWithinMs,
    interceptors: [boundMessages(options)],
  });
  server.addService(loadServiceDefinition(), options.service);
  // The library counts no connections: it is handed those of a listener that does.
  const injector = server.createConnectionInjector(credentialsOf(options.certificate));
  const listener = createServer({ noDelay: true }, (connection) => injector.injectConnection(connection));
  listener.maxConnections = options.maximumConnections;
  return {
    address: await listen(listener, options),
    stop: async (drainMs) => {
      await sleep(drainMs);
      const timer = setTimeout(() => server.forceShutdown(), CALLS_TIMEOUT_MS);
      listener.close();
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      clearTimeout(timer);
    },
  };
}
