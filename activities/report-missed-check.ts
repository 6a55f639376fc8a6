import type { MissedCheck } from "../contracts/messages.ts";
import { SCHEDULER } from "./check-drift.ts";
import type { Dependencies } from "./dependencies.ts";
import { raiseOnce } from "./raise-once.ts";

/** A check that could not be made leaves no row, so somebody is told: what nobody checked is not stable. */
export async function reportMissedCheck(
  { database }: Dependencies,
  { monitorId, scheduledAt, reason }: MissedCheck,
): Promise<void> {
  const subject = `monitor/${monitorId}`;
  const text = `${subject}: the check of ${scheduledAt} was not made: ${reason}`;
  await database.transaction((tx) => raiseOnce(tx, { kind: "check-missed", subject, text, actor: SCHEDULER }));
}
