import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const historiesFolder = fileURLToPath(new URL("./histories/", import.meta.url));

export interface HistoryEvent {
  readonly eventId: number;
  readonly workflowExecutionStartedEventAttributes?: { readonly workflowType: { readonly name: string } };
  readonly activityTaskScheduledEventAttributes?: {
    readonly activityType: { name: string };
    readonly taskQueue: { readonly name: string };
    readonly startToCloseTimeout: Duration;
    readonly scheduleToCloseTimeout: Duration;
    readonly heartbeatTimeout: Duration;
  };
}

export interface Duration {
  readonly seconds?: number;
  readonly nanos?: number;
}

/** A run as it happened; a history does not hold its workflow's id. */
export interface RecordedHistory {
  readonly workflowId: string;
  readonly history: { readonly events: HistoryEvent[] };
}

/** All recorded histories, by the behaviour they show. */
export async function loadHistories(): Promise<ReadonlyMap<string, readonly RecordedHistory[]>> {
  const files = (await readdir(historiesFolder)).sort();
  const loaded = files.map(async (file): Promise<[string, readonly RecordedHistory[]]> => {
    const text = await readFile(join(historiesFolder, file), "utf8");
    return [file.replace(/\.json$/, ""), JSON.parse(text, reviveBytes) as readonly RecordedHistory[]];
  });
  return new Map(await Promise.all(loaded));
}

const BYTES_AS_TEXT = "$utf8";

/**
 * A history as JSON values: whole numbers as numbers, payload bytes as the text they are. The SDK's own conversion needs one copy
 * of protobufjs in the whole tree, which npm does not promise; and it hides payloads in base64.
 */
export function toPlain(value: unknown): unknown {
  if (value instanceof Uint8Array) return { [BYTES_AS_TEXT]: new TextDecoder("utf-8", { fatal: true }).decode(value) };
  if (Array.isArray(value)) return value.map(toPlain);
  if (typeof value !== "object" || value === null) return value;
  if ("toNumber" in value && typeof value.toNumber === "function") return (value.toNumber as () => number)();
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, part]) => part !== null && part !== undefined)
      .map(([name, part]) => [name, toPlain(part)]),
  );
}

function reviveBytes(_name: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || !(BYTES_AS_TEXT in value)) return value;
  return new TextEncoder().encode(String(value[BYTES_AS_TEXT]));
}
