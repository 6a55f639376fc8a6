import { eq, inArray } from "drizzle-orm";

import type { Statement } from "../../contracts/identity.ts";
import type { Queryable } from "../client.ts";
import { apiToken, compromise, signedStatement, tokenRevocation } from "../schema/identity.ts";

/** A statement as it was signed, and what its signature is checked with. */
export interface StatementProof {
  /** SHA-256 of the statement's canonical JSON: what rows and events name it by. */
  readonly digest: string;
  readonly statement: Statement;
  readonly signature: string;
  readonly token: string;
  readonly publicKey: string;
  /** When and why the token was revoked since. That the statement was signed while it was good stays true; null while it is good. */
  readonly revoked: { readonly at: Date; readonly reason: string; readonly compromised: boolean } | null;
}

/** The statements of these digests, in any order. */
export async function loadProofs(db: Queryable, digests: readonly (string | null)[]): Promise<StatementProof[]> {
  const { digest, statement, signature, token } = signedStatement;
  const rows = await db
    .select({
      digest,
      statement,
      signature,
      token,
      publicKey: apiToken.publicKey,
      revoked: tokenRevocation,
      compromise,
    })
    .from(signedStatement)
    .innerJoin(apiToken, eq(apiToken.id, token))
    .leftJoin(tokenRevocation, eq(tokenRevocation.token, token))
    .leftJoin(compromise, eq(compromise.token, token))
    .where(
      inArray(
        digest,
        digests.filter((one) => one !== null),
      ),
    );
  return rows.map(({ revoked: ended, compromise: stolen, ...proof }) => {
    const { at, reason } = stolen ?? ended ?? {};
    return { ...proof, revoked: at && reason !== undefined ? { at, reason, compromised: stolen !== null } : null };
  });
}
