import type { Digest } from "../contracts/primitives.ts";
import type { ArtifactKind } from "../contracts/names.ts";
import type { StoredArtifact } from "../adapters/artifacts/store.ts";
import type { Transaction } from "../db/client.ts";
import { registerArtifact, type StoredBytes } from "../db/queries/artifact.ts";
import type { Dependencies } from "./dependencies.ts";

/** Bytes already stored, waiting to be known to the registry with the rest of their stage. */
export interface KeptArtifact {
  readonly digest: Digest;
  /** For what is registered together with its bytes. */
  readonly bytes: StoredBytes;
  readonly register: (tx: Transaction) => Promise<void>;
}

function kept({ digest, sizeBytes }: StoredArtifact, kind: ArtifactKind, mediaType: string): KeptArtifact {
  const bytes = { digest, kind, sizeBytes, mediaType };
  return { digest, bytes, register: (tx) => registerArtifact(tx, bytes) };
}

/** Stores a value as JSON, in the order of its own keys, so that equal reports have equal digests. */
export async function keepJson({ artifacts }: Dependencies, kind: ArtifactKind, value: unknown): Promise<KeptArtifact> {
  const bytes = new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);
  return kept(await artifacts.put(bytes), kind, "application/json");
}

export async function keepPage({ artifacts }: Dependencies, page: string): Promise<KeptArtifact> {
  return kept(await artifacts.put(new TextEncoder().encode(page)), "report", "text/html");
}

export async function keepFile(
  { artifacts }: Dependencies,
  file: { readonly path: string; readonly kind: ArtifactKind; readonly mediaType: string },
): Promise<KeptArtifact> {
  return kept(await artifacts.putFile(file.path), file.kind, file.mediaType);
}
