import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { openPorts } from "../../../local/ports.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "modelwright-ports-"));
});

afterEach(async () => await rm(folder, { recursive: true, force: true }));

describe("the ports of a data directory", () => {
  it("are the same the next time, each name its own, however many are asked for at once", async () => {
    const names = ["postgres", "temporal", "gateway"];
    const first = await openPorts(folder);
    const chosen = await Promise.all(names.map(async (name) => await first.choose(name)));
    expect(new Set(chosen).size).toBe(names.length);
    const second = await openPorts(folder);
    expect(await Promise.all(names.toReversed().map(async (name) => await second.choose(name)))).toEqual(
      chosen.toReversed(),
    );
    expect((await stat(join(folder, "ports.json"))).mode & 0o777).toBe(0o600);
  });

  it("change where a port was taken since, or turned out to be when it was used, and then stay changed", async () => {
    const former = await (await openPorts(folder)).choose("gateway");
    const somebody = createServer();
    await new Promise<void>((resolve) => somebody.listen(former, "127.0.0.1", resolve));
    const ports = await openPorts(folder);
    const other = await ports.choose("gateway");
    expect(other).not.toBe(former);
    const third = await ports.choose("gateway");
    await new Promise((resolve) => somebody.close(resolve));
    expect(await (await openPorts(folder)).choose("gateway")).toBe(third);
  });

  it.for(["", "null", "[1]", '{"gateway":"80"}', '{"gateway":70000}', '{"gateway":'])(
    "are chosen afresh when the file holds %j",
    async (content) => {
      await writeFile(join(folder, "ports.json"), content);
      const port = await (await openPorts(folder)).choose("gateway");
      expect(port).toBeGreaterThan(1023);
      expect(JSON.parse(await readFile(join(folder, "ports.json"), "utf8"))).toMatchObject({ gateway: port });
    },
  );
});
