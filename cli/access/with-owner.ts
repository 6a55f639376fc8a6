import type { DatabaseAccess } from "../../local/database-access.ts";

/** Works as the owner of the database that DATABASE_ADMIN_URL names. */
export async function withOwner<Result>(work: (access: DatabaseAccess) => Promise<Result>): Promise<Result> {
  const { openDatabaseAccess } = await import("../../local/database-access.ts");
  const access = openDatabaseAccess(process.env);
  try {
    return await work(access);
  } finally {
    await access.close();
  }
}
