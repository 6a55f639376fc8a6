import { describe, expect, it } from "vitest";

import { createSharedWait } from "../../../db/shared-wait.ts";

/** A disk whose writes end when told. */
function slowDisk() {
  const writes: { readonly resolve: () => void; readonly reject: (cause: Error) => void }[] = [];
  const write = () => new Promise<void>((resolve, reject) => writes.push({ resolve, reject }));
  return { writes, wait: createSharedWait(write) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("a shared wait", () => {
  it("is one write for all who ask at once", async () => {
    const { writes, wait } = slowDisk();
    const waiting = [wait(), wait(), wait()];
    await settled();
    expect(writes).toHaveLength(1);
    writes[0]?.resolve();
    await Promise.all(waiting);
  });

  it("takes those who ask while it is written into the next write, which begins when this one is over", async () => {
    const { writes, wait } = slowDisk();
    const first = wait();
    await settled();
    const answered: string[] = [];
    const late = ["second", "third"].map(async (name) => {
      await wait();
      answered.push(name);
    });
    await settled();
    expect(writes).toHaveLength(1);
    writes[0]?.resolve();
    await first;
    await settled();
    expect(writes).toHaveLength(2);
    expect(answered).toEqual([]);
    writes[1]?.resolve();
    await Promise.all(late);
    expect(answered).toEqual(["second", "third"]);
  });

  it("fails for those who waited for a write that failed, and for nobody after them", async () => {
    const { writes, wait } = slowDisk();
    const first = wait();
    await settled();
    const second = wait();
    writes[0]?.reject(new Error("the server is gone"));
    await expect(first).rejects.toThrow("the server is gone");
    await settled();
    writes[1]?.resolve();
    await second;
  });
});
