import { setTimeout as sleep } from "node:timers/promises";

import { sql } from "drizzle-orm";
import { DatabaseError } from "pg";

import { Failure } from "../contracts/failures.ts";
import type { Queryable } from "./client.ts";

const RETRY_MS = 500;

/**
 * Refuses to go on as a role that constraints, triggers and row security do not bind: they are worth nothing while the
 * application could switch them off. Every process that writes calls it at its start. Waits until the database answers,
 * and says so once. Fails with ROLE_TOO_POWERFUL.
 */
export async function refusePowerfulRole(
  db: Queryable,
  onWait: (reason: unknown) => void = () => undefined,
): Promise<void> {
  for (let told = false; ; told = true) {
    try {
      await refuseOnce(db);
      return;
    } catch (thrown) {
      if (!isAway(thrown)) throw thrown;
      if (!told) onWait(thrown instanceof Error ? (thrown.cause ?? thrown) : thrown);
    }
    await sleep(RETRY_MS);
  }
}

/** Whether nobody answered, or somebody who is just starting, ending or full. */
function isAway(thrown: unknown): boolean {
  if (thrown instanceof Failure) return false;
  const cause = thrown instanceof Error ? (thrown.cause ?? thrown) : thrown;
  return !(cause instanceof DatabaseError) || /^(08|53|57)/.test(cause.code ?? "");
}

async function refuseOnce(db: Queryable): Promise<void> {
  const { rows } = await db.execute<{ role: string; reasons: string[] }>(sql`
    SELECT current_user AS role, ARRAY(
      -- A role that may become another one (SET ROLE) has its powers, inherited or not.
      SELECT CASE WHEN rolname <> current_user THEN 'may act as ' || rolname || ', which ' ELSE '' END
        || CASE WHEN rolsuper THEN 'is a superuser' ELSE 'bypasses row security' END
      FROM pg_roles WHERE (rolsuper OR rolbypassrls) AND pg_has_role(current_user, pg_roles.oid, 'MEMBER')
        -- A superuser is reported as one, not as a member of everything.
        AND (rolname = current_user OR NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))
      UNION ALL
      SELECT 'owns ' || count(*) || ' tables, as ' || min(relname) FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND pg_has_role(current_user, relowner, 'MEMBER')
      HAVING count(*) > 0
      UNION ALL
      SELECT 'may write ' || count(*) || ' tables itself, as ' || min(relname) FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        AND (has_table_privilege(current_user, oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
          OR has_any_column_privilege(current_user, oid, 'INSERT, UPDATE'))
        -- Until then the release before writes them, by rights of the group.
        AND EXISTS (SELECT FROM schema_migration WHERE name = '0012-access.contract.sql')
      HAVING count(*) > 0
    ) AS reasons`);
  const [found] = rows;
  if (found && found.reasons.length > 0) {
    throw new Failure("ROLE_TOO_POWERFUL", { role: found.role, reasons: found.reasons.join("; ") });
  }
}
