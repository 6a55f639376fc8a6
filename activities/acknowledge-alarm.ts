import { acknowledgeDeed } from "../contracts/deeds.ts";
import type { AlarmAcknowledgement } from "../contracts/messages.ts";
import { acknowledgeAlarm as acknowledge } from "../db/queries/alarm.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { authorize } from "./authorize.ts";
import type { Dependencies } from "./dependencies.ts";

/** Somebody saw to an alarm. It stays on record; the first acknowledgement stands. */
export async function acknowledgeAlarm({ database }: Dependencies, asked: AlarmAcknowledgement): Promise<void> {
  await database.transaction(async (tx) => {
    const said = { by: asked.by, reason: asked.reason, proof: asked.proof };
    const place = { model: null, environment: null };
    const { by, reason, statement } = await authorize(tx, { ...acknowledgeDeed(asked), ...place, ...said });
    if (!(await acknowledge(tx, { id: asked.alarm, by, reason }))) return;
    await recordAudit(tx, {
      actor: by,
      statement,
      subject: `alarm/${asked.alarm}`,
      body: { kind: "alarm-acknowledged", reason },
    });
  });
}
