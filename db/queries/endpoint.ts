import { and, eq, sql } from "drizzle-orm";

import { Failure } from "../../contracts/failures.ts";
import type { Queryable, Transaction } from "../client.ts";
import { recordRows, rowsOf } from "../record-rows.ts";
import { endpoint, environment } from "../schema/routing.ts";

export type Endpoint = typeof endpoint.$inferSelect;

/**
 * Makes the endpoint, and its environment, if they are new; a new environment asks for evidence. Fails with INPUT_INVALID
 * when the endpoint belongs to another model or environment, or the model has another endpoint in this environment.
 */
export async function ensureEndpoint(
  tx: Transaction,
  wanted: Pick<Endpoint, "name" | "environment" | "model">,
): Promise<Endpoint> {
  await recordRows(tx, environment, [{ name: wanted.environment }]);
  await recordRows(tx, endpoint, [wanted]);
  const found = await findEndpoint(tx, wanted.name);
  if (!found) {
    const [taken] = await tx
      .select({ name: endpoint.name })
      .from(endpoint)
      .where(and(eq(endpoint.model, wanted.model), eq(endpoint.environment, wanted.environment)));
    const problems = `model ${wanted.model} has endpoint ${taken?.name ?? "(another)"} in environment ${wanted.environment}, and one is allowed; deploy to that one or to another environment`;
    throw new Failure("INPUT_INVALID", { where: `endpoint ${wanted.name}`, problems });
  }
  if (found.model !== wanted.model || found.environment !== wanted.environment) {
    const problems = `it serves model ${found.model} in environment ${found.environment}, asked for ${wanted.model} in ${wanted.environment}; use another endpoint name`;
    throw new Failure("INPUT_INVALID", { where: `endpoint ${wanted.name}`, problems });
  }
  return found;
}

export async function findEndpoint(db: Queryable, name: string): Promise<Endpoint | null> {
  const [found] = await db.select().from(endpoint).where(eq(endpoint.name, name));
  return found ?? null;
}

/**
 * Makes a canary's share valid for another `leaseMs` of database time. Returns its new end, or null when `epoch` is no longer
 * the endpoint's: then somebody else routes it.
 */
export async function renewLease(
  tx: Transaction,
  { endpoint: name, epoch, leaseMs }: { endpoint: string; epoch: number; leaseMs: number },
): Promise<Date | null> {
  const [renewed] = await rowsOf(tx, endpoint, sql`set_lease(${name}, ${epoch}, ${leaseMs})`);
  return renewed?.leaseUntil ?? null;
}

/** Whether an environment takes only versions with a passing evaluation; an unknown one does. */
export async function requiresEvidence(db: Queryable, name: string): Promise<boolean> {
  const [found] = await db.select().from(environment).where(eq(environment.name, name));
  return found?.requiresEvidence ?? true;
}
