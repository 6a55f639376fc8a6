import type { PredictionRecord } from "../contracts/inference.ts";

export interface PredictionLogOptions {
  /** Writes a batch; writing the same rows again changes nothing. */
  readonly insert: (rows: readonly PredictionRecord[]) => Promise<void>;
  /** True when writing these rows can never succeed; they are dropped then and counted, so that they do not block the rest. */
  readonly isRefusal?: (problem: unknown) => boolean;
  readonly onProblem: (what: string, problem: unknown) => void;
  /** Rows kept while they cannot be written; 50 000 by default. Beyond it new rows are dropped and counted. */
  readonly capacity?: number;
  /** 1000 by default. */
  readonly batchRows?: number;
  /** 200 ms by default. */
  readonly flushMs?: number;
}

/** `accepted` is always `written + dropped + waiting`. */
interface PredictionLogCounts {
  readonly accepted: number;
  readonly written: number;
  readonly dropped: number;
  readonly waiting: number;
}

/** The prediction log's way out of the gateway: bounded, batched, retried; a request never waits for it. */
export interface PredictionLog {
  readonly append: (row: PredictionRecord) => void;
  readonly counts: () => PredictionLogCounts;
  /** Writes what waits, giving up after `withinMs`. Counts what it gives up as dropped. */
  readonly close: (withinMs?: number) => Promise<void>;
}

const FIRST_RETRY_MS = 200;
const MAXIMUM_RETRY_MS = 5_000;

export function createPredictionLog(options: PredictionLogOptions): PredictionLog {
  const { capacity = 50_000, batchRows = 1_000, flushMs = 200 } = options;
  let waiting: PredictionRecord[] = [];
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;
  let failures = 0;
  let accepted = 0;
  let written = 0;
  let dropped = 0;

  const schedule = (): void => {
    if (waiting.length === 0 || writing) return;
    if (failures === 0 && waiting.length >= batchRows) {
      clearTimeout(timer);
      timer = undefined;
      write();
      return;
    }
    const delay = failures === 0 ? flushMs : Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), MAXIMUM_RETRY_MS);
    timer ??= setTimeout(() => {
      timer = undefined;
      write();
    }, delay);
  };

  const write = (): void => {
    writing = writeBatch().finally(() => {
      writing = undefined;
      schedule();
    });
  };

  const writeBatch = async (): Promise<void> => {
    const batch = waiting.slice(0, batchRows);
    if (batch.length === 0) return;
    try {
      await options.insert(batch);
      failures = 0;
      written += batch.length;
    } catch (problem) {
      options.onProblem(`${batch.length} rows of the prediction log could not be written`, problem);
      if (!options.isRefusal?.(problem)) {
        failures++;
        return;
      }
      failures = 0;
      dropped += batch.length;
    }
    waiting = waiting.slice(batch.length);
  };

  return {
    append: (row) => {
      accepted++;
      if (waiting.length >= capacity) {
        dropped++;
        return;
      }
      waiting.push(row);
      schedule();
    },
    counts: () => ({ accepted, written, dropped, waiting: waiting.length }),
    close: async (withinMs = 5_000) => {
      const deadline = Date.now() + withinMs;
      clearTimeout(timer);
      timer = undefined;
      while (waiting.length > 0 && Date.now() < deadline) {
        if (!writing) write();
        await Promise.race([writing, pause(deadline - Date.now())]);
        clearTimeout(timer);
        timer = undefined;
        if (failures > 0) await pause(100);
      }
      dropped += waiting.length;
      waiting = [];
    },
  };
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, Math.max(0, ms)).unref());
