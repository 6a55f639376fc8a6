import { join } from "node:path";
import { z } from "zod";
import type { CheckpointPlace } from "../activities/dependencies.ts";

const environmentSchema = z.object({
  DATABASE_URL: z.string().min(1),
  TEMPORAL_ADDRESS: z.string().min(1).default("127.0.0.1:7233"),
  TEMPORAL_NAMESPACE: z.string().min(1).default("default"),
  MODELWRIGHT_DATA_DIR: z.string().min(1),
  /** Where a prebuilt workflow bundle is found; by default below the data directory. */
  MODELWRIGHT_CACHE_DIR: z.string().min(1).optional(),
  /** The key that signs checkpoints of the audit log, made when it is not there, and the file they go to. */
  MODELWRIGHT_CHECKPOINT_KEY: z.string().min(1).optional(),
  MODELWRIGHT_CHECKPOINTS: z.string().min(1).optional(),
  /** Of an operator: takes canaries back at gateways that ask for a token, while Postgres is away. */
  MODELWRIGHT_GATEWAY_TOKEN: z.string().optional(),
});

export interface WorkerEnvironment {
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  readonly namespace: string;
  readonly artifactsDirectory: string;
  readonly workDirectory: string;
  readonly cacheDirectory: string;
  /** File of the gateways' addresses. */
  readonly gatewaysPath: string;
  readonly checkpoints: CheckpointPlace | null;
  readonly gatewayToken: string | null;
}

/** The environment of a worker process, parsed once. */
export function parseEnvironment(environment: NodeJS.ProcessEnv): WorkerEnvironment {
  const parsed = environmentSchema.safeParse(environment);
  if (!parsed.success) {
    throw new Error(`environment: ${z.prettifyError(parsed.error)}; \`modelwright up\` sets these for you`);
  }
  const { DATABASE_URL, TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, MODELWRIGHT_DATA_DIR, MODELWRIGHT_CACHE_DIR } =
    parsed.data;
  const { MODELWRIGHT_CHECKPOINT_KEY: keyPath, MODELWRIGHT_CHECKPOINTS: path } = parsed.data;
  if ((keyPath === undefined) !== (path === undefined)) {
    throw new Error("environment: MODELWRIGHT_CHECKPOINT_KEY and MODELWRIGHT_CHECKPOINTS go together; set both");
  }
  return {
    databaseUrl: DATABASE_URL,
    temporalAddress: TEMPORAL_ADDRESS,
    namespace: TEMPORAL_NAMESPACE,
    artifactsDirectory: join(MODELWRIGHT_DATA_DIR, "artifacts"),
    workDirectory: join(MODELWRIGHT_DATA_DIR, "work"),
    cacheDirectory: MODELWRIGHT_CACHE_DIR ?? join(MODELWRIGHT_DATA_DIR, "cache"),
    gatewaysPath: join(MODELWRIGHT_DATA_DIR, "control", "gateways.json"),
    checkpoints: keyPath !== undefined && path !== undefined ? { keyPath, path } : null,
    gatewayToken: parsed.data.MODELWRIGHT_GATEWAY_TOKEN || null,
  };
}
