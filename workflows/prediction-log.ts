import type { ExpiredDays, LogSettingsChange } from "../contracts/messages.ts";
import { control } from "./activity-options.ts";

/** What gateways keep of requests. */
export async function logSettingsChange(change: LogSettingsChange): Promise<{ setting: string }> {
  return control.changeLogSettings(change);
}

/** Drops the days of the log whose time is over. */
export async function logRetention(): Promise<ExpiredDays> {
  return control.dropExpiredDays({});
}
