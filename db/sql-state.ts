/** SQLSTATE of what Postgres said no with, also from beneath what the query layer wraps it in; null for anything else. */
export function sqlState(thrown: unknown): string | null {
  for (let cause = thrown; cause instanceof Error; cause = cause.cause) {
    if ("code" in cause && typeof cause.code === "string" && /^[0-9A-Z]{5}$/.test(cause.code)) return cause.code;
  }
  return null;
}

/**
 * True when Postgres read the statement and refused its values (SQLSTATE classes 22 and 23): sending them again is refused
 * again. A lost connection, a full disk or a lock is not.
 */
export const isRefusedByPostgres = (thrown: unknown): boolean => /^2[23]/.test(sqlState(thrown) ?? "");
