import { isFailure } from "../../contracts/failures.ts";
import type { Digest } from "../../contracts/primitives.ts";
import type { ArtifactStore } from "./store.ts";

/** An artifact on record whose bytes are not in the store, or are others. */
export interface StoreProblem {
  readonly digest: Digest;
  readonly kind: string;
  readonly problem: "missing" | "modified";
}

export interface StoreCheck {
  readonly checked: number;
  readonly sizeBytes: number;
  readonly problems: readonly StoreProblem[];
}

/** Reads the bytes of every artifact on record and compares their SHA-256. @throws what the store throws besides */
export async function checkStore(
  store: ArtifactStore,
  recorded: AsyncIterable<{ readonly digest: Digest; readonly kind: string; readonly sizeBytes: number }>,
): Promise<StoreCheck> {
  const problems: StoreProblem[] = [];
  let [checked, sizeBytes] = [0, 0];
  for await (const { digest, kind, sizeBytes: size } of recorded) {
    try {
      await store.localPath(digest);
      sizeBytes += size;
    } catch (thrown) {
      const code = isFailure(thrown) ? thrown.code : null;
      if (code === "ARTIFACT_MISSING") problems.push({ digest, kind, problem: "missing" });
      else if (code === "ARTIFACT_CORRUPT") problems.push({ digest, kind, problem: "modified" });
      else throw thrown;
    }
    checked += 1;
  }
  return { checked, sizeBytes, problems };
}
