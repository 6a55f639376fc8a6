import type { Logger } from "@temporalio/worker";
import type { Database } from "../db/client.ts";
import { listenTo, type Listener } from "../db/listen.ts";
import { ALARM_CHANNEL, listAlarms } from "../db/queries/alarm.ts";

/** Says every alarm at error level the moment it is raised, so that whoever watches the logs is woken. */
export function logAlarms(database: Database, url: string, logger: Logger): Listener {
  const say = async (id: string): Promise<void> => {
    const [alarm] = await listAlarms(database, { id });
    if (!alarm || alarm.acknowledged) return;
    const { kind, subject, text } = alarm;
    logger.error(`ALARM ${kind}: ${text}; \`modelwright alarms --acknowledge ${id}\``, { alarm: id, subject });
  };
  return listenTo({
    url,
    channel: ALARM_CHANNEL,
    // Reading can fail with Postgres; the alarm itself is on record and in the metrics.
    onTold: (id) => void say(id).catch(() => undefined),
  });
}
