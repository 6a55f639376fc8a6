import { constants, type ServerHttp2Stream } from "node:http2";
import {
  ServerInterceptingCall,
  status,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from "@grpc/grpc-js";

export interface MessageBounds {
  /** Of one request, unpacked. */
  readonly messageLimitBytes: number;
  /** How long a request may take to arrive, and its answer to be taken. */
  readonly arriveWithinMs: number;
}

/** What all connections' messages together may hold, in messages of the largest size; as HTTP's bodies. */
const MESSAGES_AT_ONCE = 16;
/** How long a refused call is still read and thrown away, so that its client gets to see the refusal. */
const LINGER_MS = 500;

/** The library's own call: it tells of a message when it is whole, and memory is taken long before. */
interface Arriving extends ServerInterceptingCallInterface {
  readonly stream: ServerHttp2Stream;
  /** `identity`, or how the message is packed. */
  readonly incomingEncoding: string;
}

/**
 * Bounds the memory of requests that are arriving or being answered, over all connections: a client may open as many calls as
 * it is allowed, send each of them nearly whole, and take no answer. A packed message counts as the largest one, because nobody knows what it
 * unpacks to before it has.
 */
export function boundMessages({ messageLimitBytes, arriveWithinMs }: MessageBounds): ServerInterceptor {
  const allowedBytes = MESSAGES_AT_ONCE * messageLimitBytes;
  let heldBytes = 0;
  return (_method, call) => {
    const { stream, incomingEncoding } = call as Arriving;
    let own = 0;
    let isRefused = false;
    const refuse = (code: status, details: string): void => {
      isRefused = true;
      call.sendStatus({ code, details });
      setTimeout(() => stream.close(), LINGER_MS).unref();
    };
    const hold = (bytes: number): void => {
      if (isRefused) return;
      own += bytes;
      heldBytes += bytes;
      if (heldBytes > allowedBytes) {
        refuse(status.UNAVAILABLE, "the gateway holds as many requests as it may; ask again a little later");
      }
    };
    let late = setTimeout(() => refuse(status.DEADLINE_EXCEEDED, "the request came too slowly"), arriveWithinMs);
    if (incomingEncoding !== "identity") hold(messageLimitBytes);
    stream.on("data", (chunk: Buffer) => hold(chunk.length));
    stream.once("end", () => clearTimeout(late));
    stream.once("close", () => {
      clearTimeout(late);
      heldBytes -= own;
    });
    return new ServerInterceptingCall(call, {
      sendMessage: (message, next) => {
        next(message);
        if (stream.destroyed) return;
        // What flow control keeps back until the client takes it.
        const waiting = stream.writableLength;
        own += waiting;
        heldBytes += waiting;
        clearTimeout(late);
        late = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), arriveWithinMs);
      },
    });
  };
}
