import { randomBytes } from "node:crypto";

import { sql } from "drizzle-orm";
import { escapeIdentifier, escapeLiteral } from "pg";

import { Failure } from "../contracts/failures.ts";
import type { LoginRole } from "../contracts/names.ts";
import type { Queryable, Transaction } from "./client.ts";
import { GROUPS } from "./roles.ts";
import { teamLogin } from "./schema/access.ts";
import { scramVerifier } from "./scram.ts";

export interface LoginRequest {
  readonly name: string;
  readonly role: LoginRole;
  /** Whose rows a member sees, besides those that are everybody's. */
  readonly teams: readonly string[];
}

/** Longer ones Postgres cuts silently. */
const LONGEST_NAME = 63;

/**
 * Makes a login of the server that may connect to this database and reads only, or gives the one of this name a new password and
 * more teams. Only the owner may. Fails with INPUT_INVALID when the name is too long or the login is of the other role.
 */
export async function createLogin(
  tx: Transaction,
  { name, role, teams }: LoginRequest,
): Promise<{ login: string; password: string }> {
  const login = `${GROUPS[role]}_${name}`;
  if (Buffer.byteLength(login) > LONGEST_NAME) {
    throw new Failure("INPUT_INVALID", {
      where: `login ${name}`,
      problems: `${login} has ${Buffer.byteLength(login)} bytes, allowed are ${LONGEST_NAME}; use a shorter name`,
    });
  }
  const password = randomBytes(24).toString("base64url");
  const run = async (statement: string) => await tx.execute(sql.raw(statement));
  const quoted = escapeIdentifier(login);
  const { rows } = await tx.execute<{ database: string; known: boolean }>(
    sql`SELECT current_database() AS database, EXISTS (SELECT FROM pg_roles WHERE rolname = ${login}) AS known`,
  );
  if (!rows[0]?.known) await run(`CREATE ROLE ${quoted}`);
  await run(
    `ALTER ROLE ${quoted} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD ${escapeLiteral(scramVerifier(password))}`,
  );
  await run(`ALTER ROLE ${quoted} SET default_transaction_read_only = on`);
  await run(`GRANT ${GROUPS[role]} TO ${quoted}`);
  await run(`GRANT CONNECT ON DATABASE ${escapeIdentifier(rows[0]?.database ?? "")} TO ${quoted}`);
  if (teams.length > 0) {
    await tx
      .insert(teamLogin)
      .values(teams.map((team) => ({ login, team })))
      .onConflictDoNothing();
  }
  return { login, password };
}

export interface Login extends Omit<LoginRequest, "name"> {
  readonly login: string;
}

/** Logins of auditors and members that may connect to this database, by name. */
export async function listLogins(db: Queryable): Promise<Login[]> {
  const { rows } = await db.execute<{ login: string; role: LoginRole; teams: string[] }>(sql`
    SELECT rolname AS login, CASE held.roleid WHEN ${GROUPS.auditor}::regrole THEN 'auditor' ELSE 'member' END AS role,
      ARRAY(SELECT team::text FROM team_login WHERE login = rolname ORDER BY team) AS teams
    FROM pg_auth_members AS held JOIN pg_roles ON pg_roles.oid = held.member
    WHERE held.roleid IN (${GROUPS.auditor}::regrole, ${GROUPS.member}::regrole)
      AND has_database_privilege(pg_roles.oid, current_database(), 'CONNECT')
    ORDER BY 1`);
  return rows;
}
