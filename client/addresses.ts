import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { Failure } from "../contracts/failures.ts";

/** Where a stack answers. */
export interface Addresses {
  /** Connection string of the application role. */
  readonly database: string;
  readonly temporal: string;
  readonly temporalNamespace: string;
  /** Null when only the environment named the rest. */
  readonly gateway: string | null;
  /** Host and port of the gateway's gRPC interface; null as the gateway's. */
  readonly grpc: string | null;
  readonly temporalUi: string | null;
  readonly dataDir: string | null;
}

const STACK_FILE = "stack.json";

const stackFileSchema = z.object({
  gateway: z.string(),
  grpc: z.string().nullable(),
  temporal: z.string(),
  temporalNamespace: z.string(),
  temporalUi: z.string().nullable(),
  database: z.string(),
  dataDir: z.string(),
});

/**
 * Addresses from DATABASE_URL, TEMPORAL_ADDRESS and GATEWAY_URL, else from the stack `modelwright up` runs on
 * MODELWRIGHT_DATA_DIR, or on `.modelwright/` in the working directory or the nearest folder above that has one.
 * @throws STACK_UNREACHABLE when neither names one
 */
export async function findAddresses(environment: NodeJS.ProcessEnv = process.env): Promise<Addresses> {
  const database = environment["DATABASE_URL"];
  const temporal = environment["TEMPORAL_ADDRESS"];
  if (database && temporal) {
    return {
      database,
      temporal,
      temporalNamespace: environment["TEMPORAL_NAMESPACE"] ?? "default",
      gateway: environment["GATEWAY_URL"] ?? null,
      grpc: null,
      temporalUi: null,
      dataDir: environment["MODELWRIGHT_DATA_DIR"] ?? null,
    };
  }
  const named = environment["MODELWRIGHT_DATA_DIR"];
  const places = named
    ? [join(named, STACK_FILE)]
    : ancestors(process.cwd()).map((folder) => join(folder, ".modelwright", STACK_FILE));
  for (const place of places) {
    const text = await readFile(place, "utf8").catch(() => null);
    if (text !== null) return stackFileSchema.parse(JSON.parse(text));
  }
  throw new Failure("STACK_UNREACHABLE", {
    what: "a stack",
    address: places[0] ?? STACK_FILE,
    reason: "no stack runs on this data directory",
  });
}

/** A folder and every folder above it, nearest first. */
function ancestors(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...ancestors(parent)];
}
