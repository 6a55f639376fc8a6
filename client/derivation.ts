import { Failure } from "../contracts/failures.ts";
import type { Database } from "../db/client.ts";
import { findDerivation, type Derivation } from "../db/queries/derivation.ts";
import { translated } from "./failures.ts";
import { numberedVersion } from "./numbered-version.ts";
import { parseReference, parseVersion } from "./reference.ts";

/** What `model/NAME@N` was rewritten from. @throws REFERENCE_INVALID, REFERENCE_UNKNOWN, VERSION_NOT_DERIVED */
export async function loadDerivation(database: Database, version: string): Promise<Derivation> {
  const { kind, text: reference } = parseReference(version);
  const named = kind === "model" ? await numberedVersion(database, parseVersion(version)) : null;
  const found = named && (await translated(findDerivation(database, named)));
  if (found === null) throw new Failure("REFERENCE_UNKNOWN", { reference });
  if (found === "not-derived") throw new Failure("VERSION_NOT_DERIVED", { reference });
  return found;
}
