import { createHash } from "node:crypto";

import { DatabaseError, escapeIdentifier, escapeLiteral, type Client } from "pg";

import { scramVerifier } from "./scram.ts";

/**
 * Hold every grant of the migrations; own nothing and cannot log in. One a server, whatever the number of databases. The
 * application writes by functions, an auditor reads everything, a member what belongs to its teams. Into the log's days rows are
 * copied, which no function can do: the application becomes `log` for it, which may do nothing else.
 */
export const GROUPS = {
  application: "modelwright_application",
  auditor: "modelwright_auditor",
  log: "modelwright_log",
  member: "modelwright_member",
} as const;

const DUPLICATE_OBJECT = "42710";
const UNIQUE_VIOLATION = "23505";

/** Postgres cuts longer names silently, and two databases would share a role. */
const LONGEST_NAME = 63;

/** Name of the role the application logs in as, one a database, so that two stacks on one server keep their own passwords. */
function loginRoleOf(database: string): string {
  const name = `modelwright_app_${database}`;
  if (Buffer.byteLength(name) <= LONGEST_NAME) return name;
  return `modelwright_app_${createHash("sha256").update(database).digest("hex").slice(0, 32)}`;
}

/** Makes the group roles that are missing; safe when several databases of one server are migrated at once. */
export async function ensureGroups(client: Client): Promise<void> {
  for (const group of Object.values(GROUPS)) await unlessThere(client, `CREATE ROLE ${group} NOLOGIN`);
  const { rows } = await client.query<{ granted: boolean }>(
    `SELECT pg_has_role('${GROUPS.application}', '${GROUPS.log}', 'SET') AS granted`,
  );
  if (rows[0]?.granted) return;
  await unlessThere(client, `GRANT ${GROUPS.log} TO ${GROUPS.application} WITH INHERIT FALSE, SET TRUE`);
}

/** Makes or updates the login role of this database, sets its password and lets nobody else but owners connect. */
export async function ensureLoginRole(client: Client, password: string): Promise<string> {
  const found = await client.query<{ database: string }>("SELECT current_database() AS database");
  const database = found.rows[0]?.database ?? "";
  const login = loginRoleOf(database);
  const role = escapeIdentifier(login);
  await unlessThere(client, `CREATE ROLE ${role} LOGIN`);
  await setPassword((statement) => client.query(statement), login, password);
  await client.query(`GRANT ${GROUPS.application} TO ${role}`);
  await client.query(`REVOKE ALL ON DATABASE ${escapeIdentifier(database)} FROM PUBLIC`);
  await client.query(`GRANT CONNECT ON DATABASE ${escapeIdentifier(database)} TO ${role}`);
  return login;
}

/** Lets a role log in by this password, with no power of its own. */
export async function setPassword(
  run: (statement: string) => Promise<{ readonly rows: { readonly taken?: unknown }[] }>,
  role: string,
  password: string,
): Promise<void> {
  // Only what it has: who is no superuser may not even say NOSUPERUSER of a role that is none.
  const { rows } = await run(
    `SELECT concat_ws(' ', CASE WHEN rolsuper THEN 'NOSUPERUSER' END, CASE WHEN rolcreatedb THEN 'NOCREATEDB' END,
       CASE WHEN rolcreaterole THEN 'NOCREATEROLE' END, CASE WHEN rolreplication THEN 'NOREPLICATION' END,
       CASE WHEN rolbypassrls THEN 'NOBYPASSRLS' END) AS taken FROM pg_roles WHERE rolname = ${escapeLiteral(role)}`,
  );
  const verifier = escapeLiteral(scramVerifier(password));
  const taken = typeof rows[0]?.taken === "string" ? rows[0].taken : "";
  await run(`ALTER ROLE ${escapeIdentifier(role)} LOGIN ${taken} PASSWORD ${verifier}`);
}

/** Postgres has no CREATE ROLE IF NOT EXISTS, and a look before would race with another database's migration. */
async function unlessThere(client: Client, statement: string): Promise<void> {
  try {
    await client.query(statement);
  } catch (thrown) {
    const code = thrown instanceof DatabaseError ? thrown.code : undefined;
    if (code !== DUPLICATE_OBJECT && code !== UNIQUE_VIOLATION) throw thrown;
  }
}
