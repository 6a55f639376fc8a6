import type { DuckDBConnection } from "@duckdb/node-api";
import { Failure } from "../../contracts/failures.ts";
import { duckdbComplaint } from "./open-session.ts";

/** Columns of a new table: name to SQL expression over the source's columns. */
export type Select = Readonly<Record<string, string>>;

/** SQL of these answers differently on every call, so the same spec would give other bytes and another digest. */
const UNREPEATABLE =
  /\b(?:current_(?:date|time|timestamp)|localtime|localtimestamp)\b|\b(?:random|setseed|uuid|uuidv4|uuidv7|gen_random_uuid|nextval|currval|now|today|transaction_timestamp|txid_current|get_current_timestamp|get_current_time|current_(?:transaction|query|connection)_id|current_query|stats|write_log|sleep_ms)\s*\(/i;
const QUOTED = /'(?:[^']|'')*'|"(?:[^"]|"")*"/g;

/**
 * Makes sure that each expression is one value a row, out of that row alone, before any of them runs. Aggregates and window
 * functions are refused: a value made from other rows may know the future.
 * @param relation name of a table with the source's columns and no rows
 * @throws COLUMN_MISSING, INPUT_INVALID, naming the expression
 */
export async function checkSelect(
  connection: DuckDBConnection,
  select: Select,
  relation: { readonly name: string; readonly columns: readonly string[] },
): Promise<void> {
  if (Object.keys(select).length === 0) {
    throw new Failure("INPUT_INVALID", { where: "data.select", problems: "no columns; name at least one" });
  }
  for (const [name, expression] of Object.entries(select)) {
    const where = `data.select.${name}`;
    const unrepeatable = UNREPEATABLE.exec(expression.replaceAll(QUOTED, "''"))?.[0];
    if (unrepeatable !== undefined) {
      const problems = `\`${expression}\` uses ${unrepeatable.replace(/\s*\($/, "()")}, which differs from run to run; a snapshot must come out the same`;
      throw new Failure("INPUT_INVALID", { where, problems });
    }
    try {
      // A WHERE clause takes one value a row and refuses the rest; preparing takes one statement and runs nothing.
      const statement = await connection.prepare(`SELECT 1 FROM ${relation.name} WHERE (${expression}\n) IS NULL`);
      statement.destroySync();
    } catch (error) {
      throw expressionFailure(error, where, expression, relation.columns);
    }
  }
}

function expressionFailure(error: unknown, where: string, expression: string, columns: readonly string[]): unknown {
  const complaint = duckdbComplaint(error);
  if (complaint === undefined) return error;
  const found = columns.join(", ");
  const missing = /Referenced column "(.+?)" not found|column named "(.+?)"/.exec(complaint);
  const column = missing?.[1] ?? missing?.[2];
  if (column !== undefined) return new Failure("COLUMN_MISSING", { where, column, found }, { cause: error });
  const reason = complaint.replace(/WHERE clause/, "an expression").replace(/^(?:[A-Za-z ]+ Error: )+/, "");
  const problems = `\`${expression}\` is not one SQL value a row: ${reason}; the source has the columns ${found}; a name with blanks, or one that SQL uses itself, goes between double quotes`;
  return new Failure("INPUT_INVALID", { where, problems }, { cause: error });
}
