import type { DatabaseAccess } from "../../local/database-access.ts";

/** Works as the owner of the database that DATABASE_ADMIN_URL names, or of the local stack's. */
export async function withOwner<Result>(work: (access: DatabaseAccess) => Promise<Result>): Promise<Result> {
  const { openDatabaseAccess } = await import("../../local/database-access.ts");
  const { findOwnerAddress } = await import("../../local/owner-address.ts");
  const access = openDatabaseAccess({ DATABASE_ADMIN_URL: await findOwnerAddress(process.env) });
  try {
    return await work(access);
  } finally {
    await access.close();
  }
}
