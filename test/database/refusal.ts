import { DatabaseError } from "pg";

/** What Postgres said no with: constraint name if there is one, else SQLSTATE. */
export async function refusalOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
  } catch (thrown) {
    const error = thrown instanceof DatabaseError ? thrown : thrown instanceof Error ? thrown.cause : undefined;
    if (error instanceof DatabaseError) return error.constraint ?? error.code ?? error.message;
    throw thrown;
  }
  return "(accepted)";
}

export const PERMISSION_DENIED = "42501";
/** What the append-only trigger raises. */
export const APPEND_ONLY = "23000";
