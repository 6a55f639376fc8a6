import { randomUUID } from "node:crypto";

/** A UUID of version 7 (RFC 9562) at `atMs`, so that ids sort by time and name the day their log row lies in. */
export function createInferenceId(atMs: number): string {
  const time = Math.floor(atMs).toString(16).padStart(12, "0");
  // Node 20 makes version 4 only: its random bits are kept, time and version put in front.
  return `${time.slice(0, 8)}-${time.slice(8, 12)}-7${randomUUID().slice(15)}`;
}
