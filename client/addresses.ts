import { readFile } from "node:fs/promises";
import { join } from "node:path";
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
  readonly temporalUi: string | null;
  readonly dataDir: string | null;
}

const stackFileSchema = z.object({
  gateway: z.string(),
  temporal: z.string(),
  temporalNamespace: z.string(),
  temporalUi: z.string().nullable(),
  database: z.string(),
  dataDir: z.string(),
});

/**
 * Addresses from DATABASE_URL, TEMPORAL_ADDRESS and GATEWAY_URL, else from the stack `modelwright up` runs on
 * MODELWRIGHT_DATA_DIR or `.modelwright/` below the working directory.
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
      temporalUi: null,
      dataDir: environment["MODELWRIGHT_DATA_DIR"] ?? null,
    };
  }
  const file = join(environment["MODELWRIGHT_DATA_DIR"] ?? ".modelwright", "stack.json");
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new Failure(
      "STACK_UNREACHABLE",
      { what: "a stack", address: file, reason: "no stack runs on this data directory" },
      { cause },
    );
  });
  return stackFileSchema.parse(JSON.parse(text));
}
