import type { Client } from "pg";

/**
 * Everything a schema is, as lines of text: tables, columns, constraints, triggers, functions, rights. Constraints are without their
 * parentheses, of which Postgres writes fewer when it has read its own text again.
 */
export async function schemaOf(owner: Client): Promise<string[]> {
  const { rows } = await owner.query<{ line: string }>(SCHEMA);
  return rows.map(({ line }) => line);
}

/** Rights that were never said are the owner's; a dump says them. */
const rights = (kind: string, acl: string, owner: string) => `(SELECT string_agg(one::text, ' ' ORDER BY one::text)
  FROM unnest(coalesce(${acl}, acldefault(${kind}, ${owner}))) AS one)`;

const SCHEMA = `
  SELECT line FROM (
    SELECT concat_ws(' ', 'column', attrelid::regclass, attname, atttypid::regtype, attnotnull, attacl) AS line
      FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace AND attnum > 0
        AND NOT attisdropped
    UNION ALL SELECT concat_ws(' ', 'class', relname, relkind, relrowsecurity, relforcerowsecurity,
      ${rights(`CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char"`, "relacl", "relowner")})
      FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', 'constraint', conname, translate(pg_get_constraintdef(oid), '()', '')) FROM pg_constraint
      WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT concat_ws(' ', 'function', oid::regprocedure, CASE WHEN prokind <> 'a' THEN pg_get_functiondef(oid) END,
      ${rights("'f'", "proacl", "proowner")}) FROM pg_proc
      WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', 'policy', tablename, policyname, qual) FROM pg_policies
    UNION ALL SELECT concat_ws(' ', 'applied', name, checksum) FROM schema_migration
  ) AS lines ORDER BY line`;
