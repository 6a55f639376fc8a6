import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ArtifactStore } from "../../adapters/artifacts/store.ts";

/** What every artifact store must do. `corrupt` changes the stored bytes of a digest behind the store's back. */
export interface StoreUnderTest {
  readonly store: ArtifactStore;
  readonly corrupt: (digest: string) => Promise<void>;
}

const HELLO = new TextEncoder().encode("hello");
/** `printf hello | sha256sum` */
const HELLO_DIGEST = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

export function artifactStoreSuite(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`artifact store ${name}`, () => {
    it("names bytes by their SHA-256 and gives them back", async () => {
      const { store } = await open();
      expect(await store.put(HELLO)).toEqual({ digest: HELLO_DIGEST, sizeBytes: 5 });
      expect(new Uint8Array(await store.read(HELLO_DIGEST))).toEqual(HELLO);
    });

    it("stores the same bytes once, however many put them at the same time", async () => {
      const { store } = await open();
      const stored = await Promise.all(Array.from({ length: 8 }, () => store.put(HELLO)));
      expect(new Set(stored.map((one) => one.digest)).size).toBe(1);
      expect(await readFile(await store.localPath(HELLO_DIGEST), "utf8")).toBe("hello");
    });

    it("keeps a stored file as it was when its source changes", async () => {
      const { store } = await open();
      const path = join(await mkdtemp(join(tmpdir(), "artifact-source-")), "file");
      await writeFile(path, HELLO);
      const { digest } = await store.putFile(path);
      await writeFile(path, "something else");
      expect(new Uint8Array(await store.read(digest))).toEqual(HELLO);
    });

    it("takes an empty artifact", async () => {
      const { store } = await open();
      const { digest, sizeBytes } = await store.put(new Uint8Array());
      expect(sizeBytes).toBe(0);
      expect(await store.read(digest)).toHaveLength(0);
    });

    it("says which artifact is missing, and which source file", async () => {
      const { store } = await open();
      await expect(store.read(HELLO_DIGEST)).rejects.toMatchObject({
        code: "ARTIFACT_MISSING",
        fields: { digest: HELLO_DIGEST },
      });
      await expect(store.putFile("/no/such/file")).rejects.toMatchObject({ code: "FILE_MISSING" });
    });

    it("never hands out bytes that are not their name's", async () => {
      const { store, corrupt } = await open();
      await store.put(HELLO);
      await corrupt(HELLO_DIGEST);
      await expect(store.localPath(HELLO_DIGEST)).rejects.toMatchObject({ code: "ARTIFACT_CORRUPT" });
      await expect(store.read(HELLO_DIGEST)).rejects.toMatchObject({ code: "ARTIFACT_CORRUPT" });
    });
  });
}
