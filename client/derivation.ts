import { Failure } from "../contracts/failures.ts";
import type { Database } from "../db/client.ts";
import { findDerivation, type Derivation } from "../db/queries/derivation.ts";
import { translated } from "./failures.ts";
import { parseReference } from "./reference.ts";

/** What `model/NAME@N` was rewritten from. @throws REFERENCE_INVALID, REFERENCE_UNKNOWN, VERSION_NOT_DERIVED */
export async function loadDerivation(database: Database, version: string): Promise<Derivation> {
  const { kind, name, text: reference } = parseReference(version);
  const [model = "", number = ""] = name.split("@");
  const found = kind === "model" ? await translated(findDerivation(database, { model, number: Number(number) })) : null;
  if (found === null) throw new Failure("REFERENCE_UNKNOWN", { reference });
  if (found === "not-derived") throw new Failure("VERSION_NOT_DERIVED", { reference });
  return found;
}
