import { and, desc, eq, gt, isNull, sql, type SQL } from "drizzle-orm";

import type { Deed, IdentityMode, Role, SignedStatement, Scope } from "../../contracts/identity.ts";
import { canonicalBytes, sha256 } from "../canonical.ts";
import type { Queryable, Transaction } from "../client.ts";
import { recordRows } from "../record-rows.ts";
import {
  apiToken,
  identitySetting,
  roleGrant,
  roleRevocation,
  signedStatement,
  teamMembership,
  tokenRevocation,
} from "../schema/identity.ts";
import { model } from "../schema/model.ts";

/** Whether people are believed by their word here; they are until somebody set otherwise. */
export async function loadIdentityMode(db: Queryable): Promise<IdentityMode> {
  const [newest] = await db.select().from(identitySetting).orderBy(desc(identitySetting.id)).limit(1);
  return newest?.mode ?? "declared";
}

/** A role somebody has now. */
export interface HeldRole {
  readonly role: Role;
  /** Null: of every one. */
  readonly model: string | null;
  readonly environment: string | null;
}

/** A token and its holder as they are now. */
export interface TokenHolder {
  readonly id: string;
  readonly principal: string;
  readonly team: string | null;
  readonly scope: Scope;
  readonly publicKey: string;
  readonly expiresAt: Date;
  readonly revokedAt: Date | null;
  readonly grants: readonly HeldRole[];
  /** Database time. */
  readonly now: Date;
}

/** By its id, or by the SHA-256 of the whole token; null when there is none. */
export async function findToken(
  db: Queryable,
  by: { readonly id: string } | { readonly hash: string },
): Promise<TokenHolder | null> {
  const wanted: SQL = "id" in by ? eq(apiToken.id, by.id) : eq(apiToken.hash, by.hash);
  const [found] = await db
    .select({
      id: apiToken.id,
      principal: apiToken.principal,
      team: sql<string | null>`(SELECT ${teamMembership.team} FROM ${teamMembership}
        WHERE ${teamMembership.principal} = ${apiToken.principal} ORDER BY ${teamMembership.id} DESC LIMIT 1)`,
      scope: apiToken.scope,
      publicKey: apiToken.publicKey,
      expiresAt: apiToken.expiresAt,
      revokedAt: tokenRevocation.at,
      now: sql<Date>`clock_timestamp()`.mapWith(apiToken.at),
    })
    .from(apiToken)
    .leftJoin(tokenRevocation, eq(tokenRevocation.token, apiToken.id))
    .where(wanted);
  return found ? { ...found, grants: await listHeldRoles(db, found.principal) } : null;
}

/** Tokens whose scope has a deed and that are good now, by the SHA-256 of the token. */
export async function listTokensFor(db: Queryable, deed: Deed): Promise<Map<string, TokenHolder>> {
  const good = await db
    .select({ hash: apiToken.hash, scope: apiToken.scope })
    .from(apiToken)
    .leftJoin(tokenRevocation, eq(tokenRevocation.token, apiToken.id))
    .where(and(isNull(tokenRevocation.token), gt(apiToken.expiresAt, sql`clock_timestamp()`)));
  const tokens = new Map<string, TokenHolder>();
  for (const { hash, scope } of good) {
    const token = scope.deeds === null || scope.deeds.includes(deed) ? await findToken(db, { hash }) : null;
    if (token) tokens.set(hash, token);
  }
  return tokens;
}

/** Roles of a principal that were not taken away. */
export async function listHeldRoles(db: Queryable, principal: string): Promise<HeldRole[]> {
  const { role, model: ofModel, environment } = roleGrant;
  return await db
    .select({ role, model: ofModel, environment })
    .from(roleGrant)
    .leftJoin(roleRevocation, eq(roleRevocation.grant, roleGrant.id))
    .where(and(eq(roleGrant.principal, principal), isNull(roleRevocation.grant)));
}

/** The team a model belongs to; null when it is everybody's, or not there yet. */
export async function findTeam(db: Queryable, name: string | null): Promise<string | null> {
  if (name === null) return null;
  const [found] = await db.select({ team: model.team }).from(model).where(eq(model.name, name));
  return found?.team ?? null;
}

/**
 * Uses a statement up, for one step: another attempt of the same step may use it again, everything else is refused. Returns the
 * statement's digest, or null when it was used before.
 */
export async function useStatement(
  tx: Transaction,
  { token, statement, signature }: SignedStatement,
  usedFor: string,
): Promise<string | null> {
  const digest = sha256(canonicalBytes(statement)).toString("hex");
  const row = { nonce: statement.nonce, token, digest, statement, signature, usedFor };
  const [recorded] = await recordRows(tx, signedStatement, [row]);
  if (recorded) return digest;
  const [before] = await tx.select().from(signedStatement).where(eq(signedStatement.nonce, statement.nonce));
  return before?.usedFor === usedFor && before.digest === digest ? digest : null;
}
