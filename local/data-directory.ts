import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder that holds package.json. */
export const projectRoot = fileURLToPath(new URL("..", import.meta.url));

/** Where a stack keeps everything it writes: MODELWRIGHT_DATA_DIR, else `.modelwright/` at the project root. */
export function resolveDataDir(env: NodeJS.ProcessEnv): string {
  const named = env["MODELWRIGHT_DATA_DIR"];
  return named ? resolve(named) : join(projectRoot, ".modelwright");
}

/** Where a stack signs checkpoints of its audit log into: beside the database and not in it. */
export const checkpointFiles = (env: NodeJS.ProcessEnv, dataDir: string) => ({
  key: env["MODELWRIGHT_CHECKPOINT_KEY"] || join(dataDir, "audit.key"),
  checkpoints: env["MODELWRIGHT_CHECKPOINTS"] || join(dataDir, "audit-checkpoints.txt"),
});

/** Where fetched executables are kept: with the project and not with the data, so that all data directories share them. */
export const cacheDir = join(projectRoot, ".modelwright", "cache");
