import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFileStore } from "../../../adapters/artifacts/file-store.ts";
import { artifactStoreSuite } from "../../suites/artifact-store.suite.ts";

artifactStoreSuite("on the file system", async () => {
  const directory = await mkdtemp(join(tmpdir(), "artifact-store-"));
  return {
    store: createFileStore(directory),
    corrupt: (digest) => writeFile(join(directory, digest.slice(0, 2), digest.slice(2)), "tampered"),
  };
});
