import { randomBytes } from "node:crypto";

import { eq, sql } from "drizzle-orm";
import { DatabaseError, escapeIdentifier } from "pg";

import { Failure } from "../contracts/failures.ts";
import type { LoginRole } from "../contracts/names.ts";
import type { Queryable, Transaction } from "./client.ts";
import { GROUPS, setPassword } from "./roles.ts";
import { teamLogin } from "./schema/access.ts";

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
  const login = loginOf(name, role);
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
  await setPassword(run, login, password);
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

const loginOf = (name: string, role: LoginRole): string => `${GROUPS[role]}_${name}`;

const STILL_NEEDED = "2BP01";

/**
 * Takes a login away: its open sessions end, it may not connect to this database again, and the role is dropped unless another
 * database of the server knows it. Only the owner may. Fails with INPUT_INVALID when this database has no such login.
 */
export async function removeLogin(
  tx: Transaction,
  { name, role }: Pick<LoginRequest, "name" | "role">,
): Promise<{ login: string; sessionsEnded: number }> {
  const login = loginOf(name, role);
  const known = (await listLogins(tx)).map((one) => one.login);
  if (!known.includes(login)) {
    const problems = `there is no login ${login}; there ${known.length === 0 ? "is none" : `are ${known.join(", ")}`}`;
    throw new Failure("INPUT_INVALID", { where: "name", problems });
  }
  const run = async (statement: string) => await tx.execute(sql.raw(statement));
  const quoted = escapeIdentifier(login);
  // An owner who is no superuser made the role and may ask for the rights over its sessions and grants.
  await run(`GRANT ${quoted} TO CURRENT_USER`);
  const database = await tx.execute<{ name: string }>(sql`SELECT current_database() AS name`);
  await run(`DROP OWNED BY ${quoted}`);
  await run(`REVOKE CONNECT ON DATABASE ${escapeIdentifier(database.rows[0]?.name ?? "")} FROM ${quoted}`);
  await tx.delete(teamLogin).where(eq(teamLogin.login, login));
  const { rows } = await tx.execute<{ ended: number }>(sql`
    SELECT count(pg_terminate_backend(pid))::int AS ended FROM pg_stat_activity
    WHERE usename = ${login} AND datname = current_database()`);
  try {
    await tx.transaction(async (nested) => await nested.execute(sql.raw(`DROP ROLE ${quoted}`)));
  } catch (thrown) {
    const cause = thrown instanceof Error ? thrown.cause : undefined;
    if (!(cause instanceof DatabaseError) || cause.code !== STILL_NEEDED) throw thrown;
    await run(`REVOKE ${quoted} FROM CURRENT_USER`);
  }
  return { login, sessionsEnded: rows[0]?.ended ?? 0 };
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
