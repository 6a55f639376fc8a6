import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What tells a kept result from something else: a schema of the contracts. */
interface Schema<Result> {
  safeParse(value: unknown): { readonly success: true; readonly data: Result } | { readonly success: false };
}

/** Results of measurements that an attempt after a crash, or a second run on the same inputs, need not make again. */
export interface KeptResults {
  /**
   * The result kept under the key, or the one `measure` gives now, which is then kept.
   *
   * @param key everything the result depends on, as JSON: digests of files, settings, versions
   */
  once<Result>(
    key: { readonly what: string } & Readonly<Record<string, unknown>>,
    schema: Schema<Result>,
    measure: () => Promise<Result>,
  ): Promise<Result>;
}

/** Keeps results as JSON files named by the digest of their key; a file that cannot be read any more is measured again. */
export function keepResults(directory: string): KeptResults {
  return {
    once: async (key, schema, measure) => {
      const digest = createHash("sha256").update(JSON.stringify(key)).digest("hex");
      const path = join(directory, `${key.what}-${digest.slice(0, 32)}.json`);
      const kept = schema.safeParse(await readJson(path));
      if (kept.success) return kept.data;
      const result = await measure();
      await mkdir(directory, { recursive: true });
      const incoming = `${path}.${randomUUID()}`;
      await writeFile(incoming, JSON.stringify(result));
      await rename(incoming, path);
      return result;
    },
  };
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch {
    // Not there, or cut short by a full disk: both mean that there is no result.
    return undefined;
  }
}
