// Brings the schema of the database at DATABASE_ADMIN_URL up to date and sets the application role's password to
// DATABASE_APPLICATION_PASSWORD: the job a deployment runs before its workers start. A local stack does the same by itself.
import { Failure } from "../contracts/failures.ts";
import { describeHeldBack, migrate } from "../db/migrate.ts";

const adminUrl = required("DATABASE_ADMIN_URL");
const applicationPassword = required("DATABASE_APPLICATION_PASSWORD");
try {
  const { applicationUrl, heldBack } = await migrate({ adminUrl, applicationPassword });
  for (const held of heldBack) console.log(describeHeldBack(held));
  const { username, host, pathname } = new URL(applicationUrl);
  console.log(`the schema is up to date; the application connects as ${username} to ${host}${pathname}`);
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

function required(name: string): string {
  const value = process.env[name];
  if (!value) {
    console.error(`${name} is not set; name the database and the password in the environment`);
    process.exit(1);
  }
  return value;
}
