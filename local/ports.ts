import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";

import { replaceWhole } from "./whole-file.ts";

export interface Ports {
  /**
   * A TCP port on 127.0.0.1 that was free a moment ago: the one this name had when the data directory was last in use, else
   * any. Somebody else may take it before it is used; asked again for the same name, it gives another one.
   */
  choose(name: string): Promise<number>;
}

/**
 * The ports of a data directory, kept in `<dataDir>/ports.json`: a stack that is started again answers where it did, so that
 * whoever watches it finds it.
 */
export async function openPorts(dataDir: string): Promise<Ports> {
  const path = join(dataDir, "ports.json");
  const remembered = parsePorts(await readFile(path, "utf8").catch(() => "{}"));
  const chosen = new Map<string, number>();

  async function chooseNow(name: string): Promise<number> {
    const all = new Map([...remembered, ...chosen]);
    const former = chosen.has(name) ? undefined : remembered.get(name);
    all.delete(name);
    const others = new Set(all.values());
    const isOurs = former !== undefined && !others.has(former) && (await isFree(former));
    const port = isOurs ? former : await anyFree(others);
    chosen.set(name, port);
    await replaceWhole(path, `${JSON.stringify(Object.fromEntries([...all, [name, port]]), null, 2)}\n`);
    return port;
  }

  let last: Promise<unknown> = Promise.resolve();
  return {
    // One after the other: two at once could be given the same port, and the file of one would lack the other's.
    async choose(name) {
      const choice = last.then(async () => await chooseNow(name));
      last = choice.catch(() => undefined);
      return await choice;
    },
  };
}

/** What stands in the file; a damaged file remembers nothing. */
function parsePorts(text: string): ReadonlyMap<string, number> {
  try {
    const entries = Object.entries(JSON.parse(text) as Record<string, unknown>);
    return new Map(
      entries.flatMap(([name, port]) =>
        typeof port === "number" && Number.isInteger(port) && port > 0 && port < 65_536 ? [[name, port]] : [],
      ),
    );
  } catch {
    return new Map();
  }
}

async function anyFree(others: ReadonlySet<number>): Promise<number> {
  for (;;) {
    // A remembered port is free until its server starts.
    const port = await listenOnce(0);
    if (!others.has(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  return await listenOnce(port).then(
    () => true,
    () => false,
  );
}

async function listenOnce(asked: number): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(asked, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
