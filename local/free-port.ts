import { createServer } from "node:net";

/**
 * A TCP port on 127.0.0.1 that was free a moment ago. Somebody else may take it before it is used, so whoever starts a
 * server on it tries again with another one.
 */
export async function findFreePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
