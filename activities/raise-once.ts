import type { AlarmKind } from "../contracts/approval.ts";
import type { Transaction } from "../db/client.ts";
import { hasOpenAlarm, raiseAlarm } from "../db/queries/alarm.ts";
import { recordAudit } from "../db/queries/audit.ts";

/** One alarm for what is found again and again until somebody has looked; the text is kept for ever and names nobody. */
export async function raiseOnce(
  tx: Transaction,
  {
    actor,
    ...raised
  }: { readonly kind: AlarmKind; readonly subject: string; readonly text: string; readonly actor: string },
): Promise<void> {
  if (await hasOpenAlarm(tx, raised)) return;
  const alarm = await raiseAlarm(tx, raised);
  const { subject, text } = raised;
  await recordAudit(tx, { actor, subject, body: { kind: "alarm-raised", alarm, text } });
}
