import { closeSync, fsync, mkdirSync, openSync, writeSync } from "node:fs";
import { open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

export interface SpoolOptions {
  /** A folder of its own; made when the first line comes. */
  readonly directory: string;
  /** A new file is begun beyond it; 16 MiB by default. */
  readonly segmentBytes?: number;
  /** How often what was written is made safe against power cuts; 200 ms by default. */
  readonly fsyncMs?: number;
  /** Told where the spool ends now. */
  readonly onWritten?: (endByte: number) => void;
  readonly onProblem: (what: string, problem: unknown) => void;
}

/** Whole lines from one place of a spool to another. */
export interface Stretch {
  readonly lines: readonly string[];
  readonly fromByte: number;
  readonly toByte: number;
}

/** A place is a number of bytes since the spool's first line; a file is named by the place it starts at. */
const nameOf = (place: number): string => `${String(place).padStart(16, "0")}.jsonl`;
const NAME = /^(\d{16})\.jsonl$/;
/** How soon a disk that took nothing is asked again. */
const RETRY_MS = 200;

/**
 * Lines on disk between the gateway and Postgres. Lines of one turn of the event loop are written together, before any promise
 * that waits for what was appended goes on: what a client was answered survives the end of this process. A power cut may cost
 * what came after the last fsync.
 */
export class Spool {
  /** Place after the last line written. */
  endByte = 0;
  private readonly options: SpoolOptions;
  private readonly segmentBytes: number;
  private file: { readonly descriptor: number; readonly startByte: number } | undefined;
  private waiting: string[] = [];
  private scheduled = false;
  private dirty = false;
  private syncing: NodeJS.Timeout | undefined;
  private retrying: NodeJS.Timeout | undefined;

  constructor(options: SpoolOptions) {
    this.options = options;
    this.segmentBytes = options.segmentBytes ?? 16 * 2 ** 20;
  }

  /** Lines that the disk has not taken yet. */
  get waitingLines(): number {
    return this.waiting.length;
  }

  append(line: string): void {
    this.waiting.push(line);
    if (this.scheduled) return;
    this.scheduled = true;
    // Runs after everything else that this turn settles (a whole batch of the model), and before what awaits it.
    queueMicrotask(() => {
      this.scheduled = false;
      this.flush();
    });
  }

  /** Writes what waits; where the disk takes nothing it goes on waiting, and false tells so. */
  flush(): boolean {
    if (this.waiting.length === 0) return true;
    const bytes = Buffer.from(`${this.waiting.join("\n")}\n`);
    try {
      this.file ??= this.begin();
      const { descriptor, startByte } = this.file;
      // By position, so that what a failed write left behind is written over.
      for (let done = 0; done < bytes.length;) {
        done += writeSync(descriptor, bytes, done, bytes.length - done, this.endByte - startByte + done);
      }
    } catch (problem) {
      this.options.onProblem("the journal of requests could not be written", problem);
      this.retrying ??= setTimeout(() => {
        this.retrying = undefined;
        this.flush();
      }, RETRY_MS).unref();
      return false;
    }
    this.waiting = [];
    this.endByte += bytes.length;
    this.options.onWritten?.(this.endByte);
    this.dirty = true;
    this.syncSoon();
    if (this.endByte - this.file.startByte >= this.segmentBytes) this.end();
    return true;
  }

  /** Ends in order: nothing is appended any more. Files that still hold something stay. */
  close(): void {
    this.flush();
    this.end();
    clearTimeout(this.syncing);
    clearTimeout(this.retrying);
  }

  private begin(): { readonly descriptor: number; readonly startByte: number } {
    mkdirSync(this.options.directory, { recursive: true, mode: 0o700 });
    const path = join(this.options.directory, nameOf(this.endByte));
    return { descriptor: openSync(path, "w", 0o600), startByte: this.endByte };
  }

  private end(): void {
    const { file } = this;
    this.file = undefined;
    if (file) fsync(file.descriptor, () => closeSync(file.descriptor));
  }

  private syncSoon(): void {
    this.syncing ??= setTimeout(() => {
      this.syncing = undefined;
      if (!this.dirty || !this.file) return;
      this.dirty = false;
      fsync(this.file.descriptor, (problem) => {
        if (problem && problem.code !== "EBADF") this.options.onProblem("the journal could not be made safe", problem);
      });
    }, this.options.fsyncMs ?? 200).unref();
  }
}

/** Places at which the files of a spool start, rising; none when there is no such spool. */
async function listSegments(directory: string): Promise<number[]> {
  const names = await readdir(directory).catch(() => []);
  return names
    .flatMap((name) => NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((left, right) => left - right);
}

/**
 * Whole lines from `fromByte` on, of one file; none at the end. A last line without its end is what a killed process left, and no line.
 *
 * @param maximumBytes a longer line is read whole all the same
 */
export async function readStretch(directory: string, fromByte: number, maximumBytes: number): Promise<Stretch> {
  const segments = await listSegments(directory);
  for (const [index, startByte] of segments.entries()) {
    const next = segments[index + 1];
    if (next !== undefined && next <= fromByte) continue;
    const place = Math.max(fromByte, startByte);
    const text = await readText(join(directory, nameOf(startByte)), place - startByte, maximumBytes);
    const whole = text.lastIndexOf(0x0a) + 1;
    if (whole === 0) continue;
    const lines = text.toString("utf8", 0, whole - 1).split("\n");
    return { lines, fromByte: place, toByte: place + whole };
  }
  return { lines: [], fromByte, toByte: fromByte };
}

async function readText(path: string, position: number, maximumBytes: number): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    for (let size = maximumBytes; ; size *= 2) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(size), 0, size, position);
      const text = buffer.subarray(0, bytesRead);
      if (bytesRead < size || text.includes(0x0a)) return text;
    }
  } finally {
    await file.close();
  }
}

/** Removes the files that end before a place. The newest stays: it may be written to. */
export async function dropSegments(directory: string, beforeByte: number): Promise<void> {
  const segments = await listSegments(directory);
  for (const [index, startByte] of segments.entries()) {
    const endByte = segments[index + 1];
    if (endByte !== undefined && endByte <= beforeByte) await rm(join(directory, nameOf(startByte)), { force: true });
  }
}
