import { sql } from "drizzle-orm";

import type { Queryable } from "../../client.ts";

/** The artifact whose digest begins with these digits, as a ref; null when there is none. */
export async function resolveDigest(db: Queryable, digits: string): Promise<string | "ambiguous" | null> {
  const beginning = `artifact/${digits}`;
  // Refs are ordered by their bytes, and g follows the digits.
  const { rows } = await db.execute<{ ref: string }>(
    sql`SELECT ref FROM lineage_node WHERE ref >= ${beginning} AND ref < ${`${beginning}g`} LIMIT 2`,
  );
  return rows.length > 1 ? "ambiguous" : (rows[0]?.ref ?? null);
}
