import type { Database } from "../db/client.ts";
import { resolveVersion, type NamedVersion } from "../db/queries/registry/resolve.ts";
import { translated } from "./failures.ts";

/** What a name means now: an alias becomes the number it points to, a number is taken as it stands. @throws REFERENCE_UNKNOWN */
export async function numberedVersion(
  database: Database,
  { model, version }: NamedVersion,
): Promise<{ readonly model: string; readonly number: number }> {
  if (typeof version === "number") return { model, number: version };
  const found = await translated(resolveVersion(database, { model, version }));
  return { model, number: found.number };
}
