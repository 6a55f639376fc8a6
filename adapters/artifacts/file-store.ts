import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, mkdir, open, readFile, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Failure } from "../../contracts/failures.ts";
import type { Digest } from "../../contracts/primitives.ts";
import type { ArtifactStore, StoredArtifact } from "./store.ts";

/** SHA-256 and size of a file, streamed. */
export async function digestFile(path: string): Promise<StoredArtifact> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer);
    sizeBytes += (chunk as Buffer).length;
  }
  return { digest: hash.digest("hex"), sizeBytes };
}

/** Artifacts in a directory tree `ab/cdef…`, written beside their place, fsynced and renamed, so a crash leaves nothing half done. */
export function createFileStore(directory: string): ArtifactStore {
  const place = (digest: Digest) => join(directory, digest.slice(0, 2), digest.slice(2));

  const adopt = async (incoming: string): Promise<StoredArtifact> => {
    const stored = await digestFile(incoming);
    const target = place(stored.digest);
    await mkdir(dirname(target), { recursive: true });
    const file = await open(incoming, "r+");
    await file.sync();
    await file.close();
    await rename(incoming, target);
    return stored;
  };

  /** A file below the store's own directory, so that the final rename stays within one file system. */
  const incomingFile = async (): Promise<string> => {
    const incoming = join(directory, "incoming", randomUUID());
    await mkdir(dirname(incoming), { recursive: true });
    return incoming;
  };

  const localPath = async (digest: Digest): Promise<string> => {
    const path = place(digest);
    if (!(await stat(path).catch(() => null))) {
      throw new Failure("ARTIFACT_MISSING", { digest, store: directory });
    }
    const found = await digestFile(path);
    if (found.digest !== digest) throw new Failure("ARTIFACT_CORRUPT", { digest, found: found.digest });
    return path;
  };

  return {
    description: directory,
    localPath,
    put: async (bytes) => {
      const incoming = await incomingFile();
      const file = await open(incoming, "wx");
      await file.writeFile(bytes);
      await file.close();
      return adopt(incoming);
    },
    putFile: async (path) => {
      if (!(await stat(path).catch(() => null))) throw new Failure("FILE_MISSING", { path, what: "artifact to store" });
      const incoming = await incomingFile();
      // Copied, not linked: a hard link would change with its source.
      await copyFile(path, incoming);
      return adopt(incoming);
    },
    read: async (digest) => {
      const bytes = await readFile(place(digest)).catch((cause: unknown) => {
        throw new Failure("ARTIFACT_MISSING", { digest, store: directory }, { cause });
      });
      const found = createHash("sha256").update(bytes).digest("hex");
      if (found !== digest) throw new Failure("ARTIFACT_CORRUPT", { digest, found });
      return bytes;
    },
  };
}
