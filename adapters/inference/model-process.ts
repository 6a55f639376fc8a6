import { performance } from "node:perf_hooks";
import type { Tensor } from "../../contracts/data.ts";
import { Failure, isFailure } from "../../contracts/failures.ts";
import type { Digest } from "../../contracts/primitives.ts";
import type { ServingRecord } from "../../contracts/serving-record.ts";
import type { ModelSignature } from "../../contracts/signature.ts";
import { canJoin, countRows, isBatchable, joinTensors, splitTensors } from "./model-process-batch.ts";
import { startSlot, type Slot } from "./model-process-slot.ts";

export interface ModelProcessOptions {
  /** Names the model in messages: `flight-delay@3`. */
  readonly label: string;
  readonly path: string;
  readonly digest: Digest;
  readonly signature: ModelSignature;
  /** What was measured of the model: how it is served unless said otherwise, and what it must answer before it is ready. */
  readonly record?: ServingRecord | null;
  /** The record's by default, or 1. */
  readonly intraOpThreads?: number;
  /** Most rows in one run; the record's by default, or 256. A single larger request still runs, alone. */
  readonly maximumBatchRows?: number;
  /** How long a request may wait for others to make a batch; the record's by default, or 0: an idle process runs what there is. */
  readonly batchWaitMs?: number;
  /** Rows that may wait before requests are refused; 16,384 by default. */
  readonly maximumWaitingRows?: number;
  /** How long a request may wait and run; 10 s by default. */
  readonly requestTimeoutMs?: number;
  /** 30 s by default. */
  readonly startTimeoutMs?: number;
  readonly onBatch?: (batch: {
    readonly rowCount: number;
    readonly requestCount: number;
    readonly waitMs: number;
  }) => void;
  /** Told of every unexpected end; the process is started again. */
  readonly onExit?: (exit: string) => void;
}

/** A model version in a process of its own: a crash, an abort or a leak of native code costs this version only. */
export interface ModelProcess {
  /**
   * Runs one request. Rows of requests that wait at the same time run together.
   *
   * @param tensors in the order of the signature's inputs
   * @throws INFERENCE_FAILED; INFERENCE_PROCESS_DIED when the process ended under it; GATEWAY_OVERLOADED when too many wait;
   * REQUEST_EXPIRED, REQUEST_ABANDONED by its bounds: what waited then is not computed
   */
  readonly infer: (tensors: readonly Tensor[], bounds?: RequestBounds) => Promise<readonly Tensor[]>;
  /** Whether a request of so many rows would be taken. */
  readonly hasRoom: (rowCount: number) => boolean;
  /** Undefined while it is being started again. */
  readonly pid: () => number | undefined;
  readonly waitingRows: () => number;
  readonly maximumWaitingRows: number;
  /** Answers what it has taken, then ends the process. */
  readonly close: () => Promise<void>;
}

/** Aborted when a client goes away: an `AbortSignal`, or less. */
export interface Departure {
  readonly aborted: boolean;
  readonly addEventListener: (type: "abort", listener: () => void, options?: { readonly once: boolean }) => void;
}

/** How long the client of a request wants its answer. */
export interface RequestBounds {
  /** From now on; the process's own timeout where that is shorter. */
  readonly timeoutMs?: number;
  /** Aborted when the client is gone. */
  readonly signal?: Departure;
  /** Told of each run the request was part of, when it is over. */
  readonly onRun?: (run: RequestRun) => void;
}

/** When a request waited and ran, readings of `performance.now()`, and with how many others. */
export interface RequestRun {
  readonly queuedAt: number;
  readonly batch: BatchRun;
}

/** One run of the model; all requests that were part of it are told of the same object. */
export interface BatchRun {
  readonly startedAt: number;
  readonly endedAt: number;
  /** Of the whole batch. */
  readonly rowCount: number;
  readonly requestCount: number;
}

interface Entry {
  readonly tensors: readonly Tensor[];
  readonly rowCount: number;
  readonly queuedAt: number;
  readonly timer: NodeJS.Timeout;
  /** Runs alone: it was in a batch that failed, and its neighbours must not pay for it. */
  readonly alone: boolean;
  readonly onRun: ((run: RequestRun) => void) | undefined;
  readonly resolve: (outputs: readonly Tensor[]) => void;
  readonly reject: (reason: unknown) => void;
}

const FIRST_BACKOFF_MS = 100;
const MAXIMUM_BACKOFF_MS = 10_000;
/** A process that lived this long starts again without delay. */
const STABLE_AFTER_MS = 30_000;

/**
 * Starts a model's process and returns when the model is verified, loaded, warm, and has answered its golden rows as it was measured.
 *
 * Batching is greedy: an idle process runs what came in one turn of the event loop, and what arrives meanwhile is the next run, so that
 * batches grow only under load. Only a model that was chosen for its batches waits for company, as long as its record says.
 *
 * @throws what `startSlot` throws; nothing is left running then
 */
export async function startModelProcess(options: ModelProcessOptions): Promise<ModelProcess> {
  const queue = new ModelQueue(options);
  await queue.start();
  return {
    infer: (tensors, bounds) => queue.infer(tensors, bounds),
    hasRoom: (rowCount) => queue.hasRoom(rowCount),
    pid: () => queue.pid,
    waitingRows: () => queue.waitingRows,
    maximumWaitingRows: queue.maximumWaitingRows,
    close: () => queue.close(),
  };
}

class ModelQueue {
  waitingRows = 0;
  private slot: Slot | undefined;
  private waiting: Entry[] = [];
  private running = false;
  private pumping = false;
  private closing = false;
  private crashes = 0;
  private startedAt = 0;
  private restartTimer: NodeJS.Timeout | undefined;
  private drained: (() => void) | undefined;
  private companyTimer: NodeJS.Timeout | undefined;
  private readonly options: ModelProcessOptions;
  private readonly batchable: boolean;
  private readonly maximumBatchRows: number;
  private readonly batchWaitMs: number;
  readonly maximumWaitingRows: number;
  private readonly requestTimeoutMs: number;

  constructor(options: ModelProcessOptions) {
    this.options = options;
    this.batchable = isBatchable(options.signature);
    this.maximumBatchRows = options.maximumBatchRows ?? options.record?.maximumBatchRows ?? 256;
    this.batchWaitMs = options.batchWaitMs ?? options.record?.waitMs ?? 0;
    this.maximumWaitingRows = options.maximumWaitingRows ?? 16_384;
    this.requestTimeoutMs = options.requestTimeoutMs ?? 10_000;
  }

  get pid(): number | undefined {
    return this.slot?.pid;
  }

  async start(): Promise<void> {
    const { label, path, digest, signature, record = null, startTimeoutMs = 30_000 } = this.options;
    const intraOpThreads = this.options.intraOpThreads ?? record?.threads ?? 1;
    const open = { kind: "open", label, path, digest, signature, intraOpThreads, record } as const;
    const slot = await startSlot(label, open, startTimeoutMs);
    if (this.closing) {
      await slot.stop();
      return;
    }
    this.slot = slot;
    this.startedAt = performance.now();
    void slot.ended.then((exit) => this.restart(exit));
    this.pump();
  }

  hasRoom(rowCount: number): boolean {
    // An idle process takes the first of what came in this turn when the turn is over.
    const taken = this.pumping ? (this.waiting[0]?.rowCount ?? 0) : 0;
    return this.waiting.length === 0 || this.waitingRows - taken + rowCount <= this.maximumWaitingRows;
  }

  infer(tensors: readonly Tensor[], { timeoutMs, signal, onRun }: RequestBounds = {}): Promise<readonly Tensor[]> {
    const rowCount = countRows(tensors, this.batchable);
    // A process that fell twice in a row will hardly be back in time: say so at once instead of holding the client.
    if (this.closing || (!this.slot && this.crashes > 1))
      return Promise.reject(this.died(this.closing ? "it is closing" : "it keeps ending"));
    if (signal?.aborted) return Promise.reject(this.abandoned());
    if (!this.hasRoom(rowCount)) return Promise.reject(this.overloaded());
    const allowedMs = Math.min(timeoutMs ?? Number.POSITIVE_INFINITY, this.requestTimeoutMs);
    if (allowedMs <= 0) return Promise.reject(this.expired(0, allowedMs));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.expire(entry, allowedMs), allowedMs);
      const queuedAt = performance.now();
      const entry: Entry = { tensors, rowCount, queuedAt, timer, alone: false, onRun, resolve, reject };
      signal?.addEventListener("abort", () => this.abandon(entry), { once: true });
      this.waiting.push(entry);
      this.waitingRows += rowCount;
      this.pumpSoon();
    });
  }

  async close(): Promise<void> {
    this.closing = true;
    clearTimeout(this.restartTimer);
    this.pump();
    if (!this.slot)
      for (const entry of this.waiting.splice(0)) this.settle(entry, () => entry.reject(this.died("closed")));
    if (this.running || this.waiting.length > 0) await new Promise<void>((resolve) => (this.drained = resolve));
    const { slot } = this;
    this.slot = undefined;
    await slot?.stop();
  }

  /** When this turn of the event loop is over: requests that came with it are one run. */
  private pumpSoon(): void {
    if (this.running || this.pumping) return;
    this.pumping = true;
    setImmediate(() => {
      this.pumping = false;
      this.pump();
    });
  }

  private pump(): void {
    if (this.running || !this.slot || this.waitsForCompany()) return;
    const batch = this.takeBatch();
    if (batch.length === 0) {
      this.drained?.();
      return;
    }
    this.running = true;
    void this.runBatch(this.slot, batch).finally(() => {
      this.running = false;
      this.pump();
    });
  }

  /** True while the oldest request may still wait and the batch is not full; comes back when its time is over. */
  private waitsForCompany(): boolean {
    const [first] = this.waiting;
    clearTimeout(this.companyTimer);
    if (!first || first.alone || !this.batchable || this.closing || this.waitingRows >= this.maximumBatchRows)
      return false;
    const restMs = first.queuedAt + this.batchWaitMs - performance.now();
    if (restMs <= 0) return false;
    this.companyTimer = setTimeout(() => this.pump(), restMs);
    return true;
  }

  private takeBatch(): Entry[] {
    const first = this.waiting[0];
    if (!first) return [];
    let rowCount = first.rowCount;
    let length = 1;
    for (; this.batchable && !first.alone && length < this.waiting.length; length++) {
      const next = this.waiting[length]!;
      rowCount += next.rowCount;
      if (next.alone || rowCount > this.maximumBatchRows || !canJoin(first.tensors, next.tensors)) break;
    }
    const batch = this.waiting.splice(0, length);
    for (const entry of batch) this.waitingRows -= entry.rowCount;
    return batch;
  }

  private async runBatch(slot: Slot, batch: readonly Entry[]): Promise<void> {
    const rowCounts = batch.map(({ rowCount }) => rowCount);
    const startedAt = performance.now();
    const size = { rowCount: rowCounts.reduce((sum, count) => sum + count, 0), requestCount: batch.length };
    const tellRun = (): void => {
      const run = { startedAt, endedAt: performance.now(), ...size };
      for (const { queuedAt, onRun } of batch) onRun?.({ queuedAt, batch: run });
    };
    this.options.onBatch?.({ waitMs: startedAt - batch[0]!.queuedAt, ...size });
    // Native code cannot be interrupted, only ended: a run over its time costs the process, not the version's future.
    const watchdog = setTimeout(slot.kill, this.requestTimeoutMs);
    try {
      const outputs = await slot.run(joinTensors(batch.map(({ tensors }) => tensors))).finally(tellRun);
      const parts = splitTensors(outputs, rowCounts);
      if (parts) batch.forEach((entry, index) => this.settle(entry, () => entry.resolve(parts[index]!)));
      else this.runAlone(batch);
    } catch (thrown) {
      if (batch.length > 1 && isFailure(thrown) && thrown.code === "INFERENCE_FAILED") this.runAlone(batch);
      else for (const entry of batch) this.settle(entry, () => entry.reject(thrown));
    } finally {
      clearTimeout(watchdog);
    }
  }

  private runAlone(batch: readonly Entry[]): void {
    this.waiting.unshift(...batch.map((entry) => ({ ...entry, alone: true })));
    for (const entry of batch) this.waitingRows += entry.rowCount;
  }

  private restart(exit: string): void {
    this.slot = undefined;
    if (this.closing) {
      for (const entry of this.waiting.splice(0)) this.settle(entry, () => entry.reject(this.died(exit)));
      this.drained?.();
      return;
    }
    this.options.onExit?.(exit);
    this.crashes = performance.now() - this.startedAt > STABLE_AFTER_MS ? 1 : this.crashes + 1;
    if (this.crashes > 1)
      for (const entry of this.waiting.splice(0)) this.settle(entry, () => entry.reject(this.died(exit)));
    if (this.waiting.length === 0) this.waitingRows = 0;
    this.startAgain();
  }

  private startAgain(): void {
    const delay = Math.min(FIRST_BACKOFF_MS * 2 ** (this.crashes - 1), MAXIMUM_BACKOFF_MS);
    this.restartTimer = setTimeout(() => {
      this.start().catch((thrown: unknown) => {
        this.crashes++;
        this.options.onExit?.(thrown instanceof Error ? thrown.message : String(thrown));
        if (!this.closing) this.startAgain();
      });
    }, delay);
  }

  private expire(entry: Entry, allowedMs: number): void {
    // Runs already: the watchdog of the run answers, unless the client wanted its answer sooner.
    if (!this.remove(entry) && allowedMs >= this.requestTimeoutMs) return;
    const late = this.expired(performance.now() - entry.queuedAt, allowedMs);
    this.settle(entry, () => entry.reject(this.slot ? late : this.died("it is being started again")));
  }

  /** What runs cannot be taken out of its batch; its answer goes nowhere. */
  private abandon(entry: Entry): void {
    if (this.remove(entry)) this.settle(entry, () => entry.reject(this.abandoned()));
  }

  /** False when it does not wait any more. */
  private remove(entry: Entry): boolean {
    const index = this.waiting.findIndex((waiting) => waiting.timer === entry.timer);
    if (index === -1) return false;
    this.waiting.splice(index, 1);
    this.waitingRows -= entry.rowCount;
    return true;
  }

  private settle(entry: Entry, answer: () => void): void {
    clearTimeout(entry.timer);
    answer();
  }

  private died(exit: string): Failure {
    return new Failure("INFERENCE_PROCESS_DIED", { model: this.options.label, exit });
  }

  private abandoned(): Failure {
    return new Failure("REQUEST_ABANDONED", { model: this.options.label });
  }

  private expired(waitedMs: number, allowedMs: number): Failure {
    const { label: model } = this.options;
    return new Failure("REQUEST_EXPIRED", { model, waitedMs: Math.round(waitedMs), allowedMs: Math.round(allowedMs) });
  }

  private overloaded(): Failure {
    const { label: endpoint } = this.options;
    return new Failure("GATEWAY_OVERLOADED", { endpoint, waiting: this.waitingRows, allowed: this.maximumWaitingRows });
  }
}
