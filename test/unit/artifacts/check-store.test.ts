import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { checkStore } from "../../../adapters/artifacts/check-store.ts";
import { createFileStore } from "../../../adapters/artifacts/file-store.ts";

it("names what is missing and what is modified, and counts the rest", async () => {
  const directory = await mkdtemp(join(tmpdir(), "check-store-"));
  const store = createFileStore(directory);
  const texts = ["kept", "lost", "changed"];
  const stored = await Promise.all(texts.map((text) => store.put(Buffer.from(text))));
  const [, lost = "", changed = ""] = stored.map(({ digest }) => digest);
  await rm(await store.localPath(lost));
  await writeFile(await store.localPath(changed), "CHANGED");

  async function* recorded() {
    for (const one of stored) yield { ...one, kind: "model" };
  }
  expect(await checkStore(store, recorded())).toEqual({
    checked: 3,
    sizeBytes: "kept".length,
    problems: [
      { digest: lost, kind: "model", problem: "missing" },
      { digest: changed, kind: "model", problem: "modified" },
    ],
  });
  await rm(directory, { recursive: true });
});
