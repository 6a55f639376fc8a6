import { sql } from "drizzle-orm";

import { scopeSchema, type PrincipalKind, type Role, type Scope } from "../../contracts/identity.ts";
import type { Queryable } from "../client.ts";

export interface GrantedRole {
  readonly id: string;
  readonly role: Role;
  /** Null: of every one. */
  readonly model: string | null;
  readonly environment: string | null;
}

export interface IssuedToken {
  readonly id: string;
  readonly label: string;
  readonly scope: Scope;
  readonly expiresAt: Date;
  readonly state: "good" | "expired" | "revoked";
}

export interface Account {
  readonly ref: string;
  readonly kind: PrincipalKind;
  readonly team: string | null;
  readonly roles: readonly GrantedRole[];
  /** Newest first, past ones included. */
  readonly tokens: readonly IssuedToken[];
}

type Row = Omit<Account, "tokens"> & { tokens: (Omit<IssuedToken, "expiresAt"> & { expiresAt: string })[] };

/** Everybody who has an account, in the order they got it. */
export async function listAccounts(db: Queryable): Promise<Account[]> {
  const { rows } = await db.execute<Row & Record<string, unknown>>(sql`
    SELECT ref, kind,
      (SELECT team FROM team_membership WHERE team_membership.principal = ref ORDER BY id DESC LIMIT 1) AS team,
      (SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'role', role, 'model', model, 'environment', environment)
         ORDER BY role_grant.at, id), '[]')
       FROM role_grant WHERE role_grant.principal = ref
         AND NOT EXISTS (SELECT FROM role_revocation WHERE role_revocation.role_grant = role_grant.id)) AS roles,
      (SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'label', label, 'scope', scope, 'expiresAt', expires_at,
         'state', CASE WHEN token_revocation.token IS NOT NULL THEN 'revoked' WHEN expires_at <= clock_timestamp() THEN 'expired'
           ELSE 'good' END) ORDER BY api_token.at DESC, id), '[]')
       FROM api_token LEFT JOIN token_revocation ON token_revocation.token = api_token.id
       WHERE api_token.principal = ref) AS tokens
    FROM principal ORDER BY at, ref`);
  return rows.map(({ ref, kind, team, roles, tokens }) => ({
    ref,
    kind,
    team,
    roles,
    tokens: tokens.map((token) => ({
      ...token,
      scope: scopeSchema.parse(token.scope),
      expiresAt: new Date(token.expiresAt),
    })),
  }));
}
