import type { Database } from "../db/client.ts";
import { listenTo } from "../db/listen.ts";
import { ALARM_CHANNEL, countOpenAlarms } from "../db/queries/alarm.ts";

export interface AlarmWatch {
  /** As last read from Postgres: alarms nobody has acknowledged, by kind. */
  readonly open: () => ReadonlyMap<string, number>;
  readonly close: () => Promise<void>;
}

/** What was told while the connection was away is read at the latest then. */
const READ_AGAIN_MS = 30_000;

/** Keeps count of open alarms for whoever watches the metrics: read when one is told of, and now and then. */
export function watchAlarms(database: Database, url: string): AlarmWatch {
  let open: ReadonlyMap<string, number> = new Map();
  const read = async (): Promise<void> => {
    // While Postgres is away the last count is the best there is.
    open = await countOpenAlarms(database).catch(() => open);
  };
  const listener = listenTo({ url, channel: ALARM_CHANNEL, onTold: () => void read() });
  const timer = setInterval(() => void read(), READ_AGAIN_MS);
  void read();
  return {
    open: () => open,
    close: async () => {
      clearInterval(timer);
      await listener.close();
    },
  };
}
