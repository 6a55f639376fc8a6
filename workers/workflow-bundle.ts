import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundleWorkflowCode } from "@temporalio/worker";

const root = fileURLToPath(new URL("../", import.meta.url));
const sdkVersion = (createRequire(import.meta.url)("@temporalio/worker/package.json") as { version: string }).version;

export interface WorkflowBundle {
  readonly code: string;
  /** Names this code towards Temporal: workers of one build replay each other's histories. */
  readonly buildId: string;
}

/**
 * The workflow code as one script. Bundling takes seconds, so it is kept by the digest of its sources: production images build it
 * once (`node --import tsx workers/build-bundle.ts`), a laptop on the first start after a change.
 */
export async function loadWorkflowBundle(cacheDirectory: string): Promise<WorkflowBundle> {
  const buildId = await sourceDigest();
  const cached = join(cacheDirectory, `workflows-${buildId}.js`);
  const kept = await readFile(cached, "utf8").catch(() => null);
  if (kept !== null) return { code: kept, buildId };

  const { code } = await bundleWorkflowCode({
    workflowsPath: join(root, "workflows/index.ts"),
    // The bundler's progress lines are noise; a failure still throws.
    logger: { log: () => {}, trace: () => {}, debug: () => {}, info: () => {}, warn: () => {}, error: console.error },
  });
  await mkdir(dirname(cached), { recursive: true });
  const incoming = `${cached}.${process.pid}`;
  await writeFile(incoming, code);
  await rename(incoming, cached);
  return { code, buildId };
}

/** Every source that can enter the bundle, and the SDK that makes it. */
async function sourceDigest(): Promise<string> {
  const hash = createHash("sha256").update(sdkVersion);
  const workflows = (await readdir(join(root, "workflows"))).filter((name) => name.endsWith(".ts")).sort();
  for (const file of [...workflows.map((name) => `workflows/${name}`), "contracts/names.ts", "contracts/failures.ts"]) {
    hash.update(file).update(await readFile(join(root, file)));
  }
  return hash.digest("hex").slice(0, 12);
}
