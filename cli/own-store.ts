import { join } from "node:path";
import type { ArtifactStore } from "../adapters/artifacts/store.ts";
import type { Addresses } from "../client/index.ts";
import { Failure } from "../contracts/failures.ts";

/** The artifacts of the stack on this machine. @throws FILE_MISSING when the stack has no data directory here */
export async function openOwnStore({ dataDir }: Addresses): Promise<ArtifactStore> {
  if (dataDir === null)
    throw new Failure("FILE_MISSING", { path: "MODELWRIGHT_DATA_DIR", what: "the folder of artifacts" });
  const { createFileStore } = await import("../adapters/artifacts/file-store.ts");
  return createFileStore(join(dataDir, "artifacts"));
}
