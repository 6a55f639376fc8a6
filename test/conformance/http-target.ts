import { request, type IncomingHttpHeaders } from "node:http";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
}

export interface HttpTarget {
  readonly get: (path: string, headers?: Readonly<Record<string, string>>) => Promise<HttpAnswer>;
  readonly post: (
    path: string,
    body: string | Buffer,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<HttpAnswer>;
}

const TIMEOUT_MS = 20_000;

/**
 * Requests as they are written here, each on a connection of its own, so that none pays for the one before: `fetch` would ask for
 * compression and undo it unseen.
 */
export function createHttpTarget(address: string): HttpTarget {
  const send = (method: string, path: string, body: string | Buffer, headers: Readonly<Record<string, string>>) =>
    new Promise<HttpAnswer>((resolve, reject) => {
      const sent = request(
        new URL(path, address),
        { method, headers, agent: false, timeout: TIMEOUT_MS },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", reject);
          response.on("end", () => {
            const bytes = Buffer.concat(chunks);
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              bytes,
              text: bytes.toString("utf8"),
            });
          });
        },
      );
      sent.on("error", reject);
      sent.on("timeout", () => sent.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
      sent.end(body);
    });
  return {
    get: (path, headers = {}) => send("GET", path, "", headers),
    post: (path, body, headers = {}) =>
      send("POST", path, body, {
        "content-type": "application/json",
        "content-length": String(Buffer.byteLength(body)),
        ...headers,
      }),
  };
}
