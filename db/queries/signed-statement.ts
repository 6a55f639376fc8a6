import { eq, inArray } from "drizzle-orm";

import type { Statement } from "../../contracts/identity.ts";
import type { Queryable } from "../client.ts";
import { apiToken, signedStatement } from "../schema/identity.ts";

/** A statement as it was signed, and what its signature is checked with. */
export interface StatementProof {
  /** SHA-256 of the statement's canonical JSON: what rows and events name it by. */
  readonly digest: string;
  readonly statement: Statement;
  readonly signature: string;
  readonly token: string;
  readonly publicKey: string;
}

/** The statements of these digests, in any order. */
export async function loadProofs(db: Queryable, digests: readonly (string | null)[]): Promise<StatementProof[]> {
  const { digest, statement, signature, token } = signedStatement;
  return await db
    .select({ digest, statement, signature, token, publicKey: apiToken.publicKey })
    .from(signedStatement)
    .innerJoin(apiToken, eq(apiToken.id, token))
    .where(
      inArray(
        digest,
        digests.filter((one) => one !== null),
      ),
    );
}
