import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import { isFailure } from "../../contracts/failures.ts";
import { INFERENCE_HEADERS } from "../../contracts/inference.ts";
import { invalid } from "../protocol/json-data.ts";
import { refuse } from "./answer.ts";
import { createQueue } from "./queue.ts";

const DECODERS = { gzip: promisify(gunzip), deflate: promisify(inflate) };

/** Node unpacks on four threads; more at once would only hold more memory. */
const unpacking = createQueue(4);

/**
 * The request's body, decompressed. The limit counts for the bytes that travel and for what they unpack to.
 *
 * @param hold told of each piece of memory taken; throws when all requests together hold too much
 * @throws REQUEST_REFUSED 413 beyond the limit, 415 for an unknown encoding; INPUT_INVALID for a broken one
 */
export async function readBody(
  request: IncomingMessage,
  limitBytes: number,
  hold: (bytes: number) => void,
): Promise<Buffer> {
  const encoding = request.headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
  if (!(encoding in DECODERS) && encoding !== "identity") {
    throw refuse(415, `content-encoding ${encoding}`, "gzip, deflate, identity");
  }
  const body = await readBytes(request, limitBytes, hold);
  if (encoding === "identity") return body;
  try {
    // One after the other in a few lines: what many small bodies unpack to is known only when the memory is taken.
    const unpacked = await unpacking(() =>
      DECODERS[encoding as keyof typeof DECODERS](body, { maxOutputLength: limitBytes }).then((whole) => {
        hold(whole.length);
        return whole;
      }),
    );
    return unpacked;
  } catch (cause) {
    if (isFailure(cause)) throw cause;
    if (cause instanceof RangeError) throw tooLarge(`more than ${limitBytes} bytes after unpacking`, limitBytes);
    throw invalid(
      "infer request",
      `the body is not ${encoding} (${cause instanceof Error ? cause.message : ""})`,
      cause,
    );
  }
}

async function readBytes(request: IncomingMessage, limitBytes: number, hold: (bytes: number) => void): Promise<Buffer> {
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > limitBytes) throw tooLarge(`a body of ${announced} bytes`, limitBytes);
  return await new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let whole: Buffer | null = null;
    let length = 0;
    request.on("data", (chunk: Buffer) => {
      const start = length;
      length += chunk.length;
      try {
        if (length > limitBytes) throw tooLarge(`a body of more than ${limitBytes} bytes`, limitBytes);
        hold(chunk.length);
        if (whole) whole.set(chunk, start);
        else chunks.push(chunk);
        if (!whole && length < announced && length * BELIEVED_FROM >= announced) {
          whole = join(chunks, announced, request);
          chunks.length = 0;
        }
      } catch (refusal: unknown) {
        // What still comes is thrown away; the listener stays, or the stream would pause.
        chunks.length = 0;
        whole = null;
        length = Number.POSITIVE_INFINITY;
        reject(refusal);
      }
    });
    request.on("end", () =>
      resolve(whole ?? (chunks.length === 1 && chunks[0] ? chunks[0] : join(chunks, length, request))),
    );
    request.on("error", reject);
  });
}

/**
 * Memory for a whole body is taken when this part of what its header announces is there: pieces that come then are copied once and die at
 * once, and whoever only announces makes us take next to nothing.
 */
const BELIEVED_FROM = 16;

/** In memory for all of a body, so that the binary data behind the JSON begins at a multiple of 8 bytes: its first tensor needs no other copy. */
function join(chunks: readonly Buffer[], length: number, { headers }: IncomingMessage): Buffer {
  const jsonBytes = Number(headers[INFERENCE_HEADERS.headerLength] ?? 0) || 0;
  const start = -jsonBytes & 7;
  const joined = Buffer.allocUnsafeSlow(start + length);
  let at = start;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.length;
  }
  return joined.subarray(start);
}

const tooLarge = (found: string, limitBytes: number) => refuse(413, found, `at most ${limitBytes} bytes`);
