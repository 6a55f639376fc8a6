import type { CanaryHealth } from "../../contracts/rollout.ts";

/** Requests after which "every single one failed" needs no statistics. */
export const TRIPWIRE_REQUESTS = 20;
/** Ends of a model process within ten minutes that make a loop: one may be bad luck, and the second start is the answer to it. */
const CRASH_LOOP_EXITS = 3;
/** A restart takes a few seconds; who is away longer is not coming back by itself. */
const LOST_READINESS_MS = 30_000;

/**
 * What brings the champion back at once, without statistics and outside the plan's false-rollback rate: things a working canary does not do.
 * All of its newest 20 requests were errors; its process on some gateway ended three times in ten minutes, has not been ready for 30 s after it
 * once was, or answered with other tensors than its signature says, even once, because the same bytes will again.
 * One gateway suffices: its users are served by no other.
 * @returns a clause for each that is met; empty when none is, and for what nobody observed
 */
export function judgeTripwires({ newest, gateways = [] }: CanaryHealth): string[] {
  const met: string[] = [];
  if (newest.requests >= TRIPWIRE_REQUESTS && newest.errors >= newest.requests)
    met.push(`all of its newest ${newest.requests} requests were errors`);
  for (const { gateway, exits, unreadyMs, schemaMismatches } of gateways) {
    if (exits >= CRASH_LOOP_EXITS) met.push(`its process on gateway ${gateway} ended ${exits} times in ten minutes`);
    if (unreadyMs >= LOST_READINESS_MS)
      met.push(`it has not been ready on gateway ${gateway} for ${Math.floor(unreadyMs / 1000)} s`);
    if (schemaMismatches > 0)
      met.push(`${schemaMismatches} answers on gateway ${gateway} were not of its signature's tensors`);
  }
  return met;
}
