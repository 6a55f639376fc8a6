import { log } from "@temporalio/activity";
import { hear } from "../db/hear.ts";
import type { Dependencies } from "./dependencies.ts";

/**
 * Waits for work on Postgres that takes an endpoint's canary back, or says whether somebody may ask for that. Where Postgres is away or
 * silent, the gateways this worker knows are told themselves, each attempt again, and true comes back. The work goes on: what it comes to is the caller's to wait
 * for, and to put on record.
 */
export async function withdrawWhileSilent(
  { gateways }: Pick<Dependencies, "gateways">,
  endpoint: string,
  work: Promise<unknown>,
): Promise<boolean> {
  const heard = await hear(work).catch(() => true);
  if (heard) return false;
  const { told, deaf } = await gateways.withdraw(endpoint);
  const where = told.length === 0 ? "no gateway is known and reachable" : `withdrawn at ${told.join(", ")}`;
  log.warn(`Postgres does not answer; the canary of ${endpoint}: ${where}`, { deaf: Object.fromEntries(deaf) });
  return true;
}
