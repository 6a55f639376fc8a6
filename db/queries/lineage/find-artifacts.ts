import { sql } from "drizzle-orm";

import type { Queryable } from "../../client.ts";

/** Refs of artifacts whose digest begins with these digits; two at most, which is enough to tell that there are several. */
export async function findArtifacts(db: Queryable, digits: string): Promise<string[]> {
  const beginning = `artifact/${digits}`;
  // Refs are ordered by their bytes, and g follows the digits.
  const { rows } = await db.execute<{ ref: string }>(
    sql`SELECT ref FROM lineage_node WHERE ref >= ${beginning} AND ref < ${`${beginning}g`} ORDER BY ref LIMIT 2`,
  );
  return rows.map(({ ref }) => ref);
}
