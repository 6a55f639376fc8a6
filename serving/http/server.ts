import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Departure } from "../../adapters/inference/model-process.ts";
import { isFailure } from "../../contracts/failures.ts";
import type { WatchedCertificate } from "../certificate.ts";
import { listen } from "../listen.ts";
import { answerFailure, bodyLength, refuse, type Answer } from "./answer.ts";
import { compress } from "./compress.ts";
import { readBody } from "./read-body.ts";
import { createRouter, type Route, type Router } from "./router.ts";
import { createUntaken, type Untaken } from "./untaken.ts";

export interface HttpRequest {
  readonly parameters: Readonly<Record<string, string>>;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
  /** Where it comes from. */
  readonly address: string;
  /** Aborted when the client goes away before its answer. */
  readonly signal: Departure;
}
export type Handler = (request: HttpRequest) => Answer | Promise<Answer>;

export interface HttpServerOptions {
  readonly routes: readonly Route<Handler>[];
  readonly host: string;
  readonly port: number;
  readonly bodyLimitBytes: number;
  /** How long a request may take to arrive, and its answer to be taken; its headers a third of it. A client that dribbles is cut off. */
  readonly arriveWithinMs: number;
  /** Beyond it connections are closed as they come. */
  readonly maximumConnections: number;
  /** With one the server speaks TLS and nothing else. */
  readonly certificate?: WatchedCertificate | undefined;
  /** Told of bugs, not of refused requests. */
  readonly onBug: (thrown: unknown) => void;
}

export interface HttpServer {
  readonly url: string;
  /** Answers what is under way, tells every client to close, then closes. No request that reached us stays unanswered. */
  readonly stop: (drainMs: number) => Promise<void>;
}

/** What is under way at the end is given this long. */
const LAST_ANSWERS_MS = 30_000;
const KEEP_ALIVE_MS = 60_000;
/** All bodies and untaken answers together may hold as much memory as this many of the largest bodies; beyond it requests are told to come again. */
const BODIES_AT_ONCE = 16;
/** How long a refused body is still read and thrown away, so that the client gets to see the refusal. */
const LINGER_MS = 500;

export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  let draining = false;
  const memory = { heldBytes: 0 };
  const serving: Serving = {
    ...options,
    router: createRouter(options.routes),
    memory,
    untaken: createUntaken({ memory, withinMs: options.arriveWithinMs }),
    isDraining: () => draining,
  };
  const server = createAnyServer(
    options.certificate,
    {
      headersTimeout: Math.ceil(options.arriveWithinMs / 3),
      requestTimeout: options.arriveWithinMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(1_000, options.arriveWithinMs),
      noDelay: true,
    },
    (request, response) => {
      void serve(serving, request, response);
    },
  );
  server.maxConnections = options.maximumConnections;
  server.on("clientError", answerClientError);
  const address = await listen(server, options);
  return {
    url: `${options.certificate ? "https" : "http"}://${address}`,
    stop: async (drainMs) => {
      draining = true;
      // From now on each answer closes its connection. Closing idle ones at once would cut off requests that are on their way.
      await sleep(drainMs);
      const closed = new Promise((resolve) => server.close(resolve));
      const timer = setTimeout(() => server.closeAllConnections(), LAST_ANSWERS_MS);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** Connections that are open keep the certificate they began with; new ones get the newest. */
function createAnyServer(
  certificate: WatchedCertificate | undefined,
  settings: ServerOptions,
  listener: RequestListener,
): Server {
  if (!certificate) return createServer(settings, listener);
  const server = createSecureServer({ ...settings, ...certificate.current() }, listener);
  certificate.onChange((pair) => server.setSecureContext(pair));
  return server;
}

interface Serving extends HttpServerOptions {
  readonly router: Router<Handler>;
  readonly memory: { heldBytes: number };
  readonly untaken: Untaken;
  readonly isDraining: () => boolean;
}

async function serve(serving: Serving, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { router, memory, untaken, bodyLimitBytes } = serving;
  if (untaken.isPiledUp(request, response)) {
    request.socket.destroy();
    return;
  }
  let answer: Answer;
  let held = 0;
  try {
    const { handler, parameters } = router(request.method ?? "", request.url ?? "");
    const body = await readBody(request, bodyLimitBytes, (bytes) => {
      held += bytes;
      memory.heldBytes += bytes;
      if (memory.heldBytes > BODIES_AT_ONCE * bodyLimitBytes) throw crowded();
    });
    const { headers } = request;
    const address = request.socket.remoteAddress ?? "";
    answer = await compress(
      await handler({ parameters, headers, body, address, signal: new Leaving(response) }),
      headers,
    );
  } catch (thrown) {
    // A client that went away mid-body is no bug and gets no answer.
    if (request.destroyed && !request.complete) return;
    if (!isFailure(thrown)) serving.onBug(thrown);
    answer = answerFailure(thrown);
  } finally {
    memory.heldBytes -= held;
  }
  const unread = !request.complete;
  if (serving.isDraining() || unread) response.setHeader("connection", "close");
  // The new name before the spread: after it every object would get a shape of its own.
  response.writeHead(answer.status, { "content-length": bodyLength(answer), ...answer.headers });
  response.end(answer.body);
  if (unread) discardRest(request);
  untaken.hold(request, response, bodyLength(answer));
}

/**
 * Aborted when the client goes away before its answer; an `AbortSignal` would take each request longer than finding its route. A class,
 * since an object with a getter of its own has a shape of its own: the engine keeps shapes among what is old, and each would keep its
 * request from the cheap collection of what is young.
 */
class Leaving implements Departure {
  private readonly response: ServerResponse;

  constructor(response: ServerResponse) {
    this.response = response;
  }

  get aborted(): boolean {
    return this.response.destroyed && !this.response.writableFinished;
  }

  addEventListener(_: "abort", listener: () => void): void {
    this.response.once("close", () => {
      if (this.aborted) listener();
    });
  }
}

const crowded = () => refuse(503, "the gateway holds as many request bodies as it may", "asking again a little later");

function discardRest(request: IncomingMessage): void {
  request.on("error", () => undefined);
  request.resume();
  setTimeout(() => request.socket.destroy(), LINGER_MS).unref();
}

/** What does not even parse as HTTP, or came too slowly. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const [status, text] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? ["431 Request Header Fields Too Large", "the headers are too large"]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? ["408 Request Timeout", "the request came too slowly"]
        : ["400 Bad Request", "this is not HTTP/1.1"];
  const body = JSON.stringify({ error: text });
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  );
}
