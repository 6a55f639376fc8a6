import type { AlarmAcknowledgement } from "../contracts/messages.ts";
import { acknowledgeAlarm as acknowledge } from "../db/queries/alarm.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { attribute } from "../db/queries/person.ts";
import type { Dependencies } from "./dependencies.ts";

/** Somebody saw to an alarm. It stays on record; the first acknowledgement stands. */
export async function acknowledgeAlarm({ database }: Dependencies, asked: AlarmAcknowledgement): Promise<void> {
  await database.transaction(async (tx) => {
    const { by, reason } = await attribute(tx, asked);
    if (!(await acknowledge(tx, { id: asked.alarm, by, reason }))) return;
    await recordAudit(tx, {
      actor: by,
      subject: `alarm/${asked.alarm}`,
      body: { kind: "alarm-acknowledged", reason },
    });
  });
}
