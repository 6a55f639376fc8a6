import type { LogBatch } from "../../contracts/inference.ts";
import { addCounts, tallyRequests } from "./batch.ts";
import { readLine, type Line } from "./journal-line.ts";
import { dropSegments, readStretch, type Stretch } from "./spool.ts";

/** What became of the rows of a stretch. */
interface Shipped {
  /** Where the stretch ends. */
  readonly toByte: number;
  readonly rows: number;
  /** Rows that the database refuses. */
  readonly refusedRows: number;
}

export interface ShipperOptions {
  readonly directory: string;
  /** Its name in the database. */
  readonly spool: string;
  /** Whose requests these are; null where the spool does not say. */
  readonly gateway: string | null;
  /** Everything before it is in Postgres; 0 by default, which Postgres corrects. */
  readonly shippedByte?: number;
  /** Takes a stretch once, and returns the place behind which it wants the next one. */
  readonly ship: (batch: LogBatch) => Promise<number>;
  /** True when the database read a batch and refused its values: sending it again is refused again. */
  readonly isRefusal: (problem: unknown) => boolean;
  readonly onProblem: (what: string, problem: unknown) => void;
  /** Rows the gateway ever accepted; null where a successor cannot know. */
  readonly acceptedRows: () => number | null;
  readonly onShipped?: (shipped: Shipped) => void;
}

/** About a thousand requests of one row. */
const STRETCH_BYTES = 256 * 1024;
/** Requests of many rows are short in the journal; more than this are several transactions. */
const STRETCH_ROWS = 5_000;

/** Brings a spool to Postgres, in order. */
export class Shipper {
  /** Everything before it is in Postgres. */
  shippedByte: number;
  /** Everything before it was told as shipped. */
  private countedByte: number;
  private readonly options: ShipperOptions;
  /** Sent again as it was: the answer may have been lost, and only the same stretch is seen to be the same. */
  private pending: Stretch | undefined;

  constructor(options: ShipperOptions) {
    this.options = options;
    this.shippedByte = options.shippedByte ?? 0;
    this.countedByte = this.shippedByte;
  }

  /** Ships the next stretch; false when there is none. @throws what the database threw, and nothing is lost */
  async shipNext(): Promise<boolean> {
    const { directory } = this.options;
    this.pending ??= await readStretch(directory, this.shippedByte, STRETCH_BYTES);
    const { lines, fromByte, toByte } = this.pending;
    if (lines.length > 0) await this.deliver(lines, fromByte, toByte);
    this.pending = undefined;
    if (lines.length === 0) return false;
    await dropSegments(directory, this.shippedByte);
    return true;
  }

  /**
   * A batch of too many rows is halved, and one that is refused until what is refused is alone: its rows are dropped, its counts are
   * not.
   */
  private async deliver(lines: readonly string[], fromByte: number, toByte: number): Promise<void> {
    const parsed = lines.map((line) => this.parse(line));
    const isOne = lines.length === 1;
    try {
      if (isOne || parsed.reduce((sum, line) => sum + rowCount(line), 0) <= STRETCH_ROWS) {
        await this.send(parsed, fromByte, toByte);
        if (this.shippedByte < toByte) this.countKnown(lines, parsed, fromByte);
        return;
      }
    } catch (problem) {
      if (!this.options.isRefusal(problem)) throw problem;
      if (isOne) {
        await this.dropRows(parsed, fromByte, toByte, problem);
        return;
      }
    }
    const first = lines.slice(0, Math.floor(lines.length / 2));
    const middle = fromByte + Buffer.byteLength(`${first.join("\n")}\n`);
    await this.deliver(first, fromByte, middle);
    // Postgres had a part of it: what comes after that part is read again from there, and not passed over.
    if (this.shippedByte >= middle) await this.deliver(lines.slice(first.length), middle, toByte);
  }

  /** What a thread before this one brought, which then ended before it could count it. */
  private countKnown(lines: readonly string[], parsed: readonly Line[], fromByte: number): void {
    let place = fromByte;
    let rows = 0;
    parsed.forEach((line, index) => {
      place += Buffer.byteLength(`${lines[index]}\n`);
      if (place <= this.shippedByte && "request" in line) rows += rowCount(line);
    });
    this.count(this.shippedByte, rows, 0);
  }

  /** Parts of a stretch that failed later come again, and are counted once. */
  private count(toByte: number, rows: number, refusedRows: number): void {
    if (toByte <= this.countedByte) return;
    this.countedByte = toByte;
    this.options.onShipped?.({ toByte: this.shippedByte, rows, refusedRows });
  }

  /** A power cut can leave a line that is none; those after it are not worth less. */
  private parse(line: string): Line {
    try {
      return readLine(line);
    } catch (problem) {
      this.options.onProblem("a line of the journal cannot be read and is left out", problem);
      return { overflow: { counts: [], units: [], droppedRows: 0 } };
    }
  }

  private async dropRows(lines: readonly Line[], fromByte: number, toByte: number, problem: unknown): Promise<void> {
    this.options.onProblem("rows of the prediction log were refused and are dropped", problem);
    const refusedRows = lines.reduce((sum, line) => sum + ("request" in line ? rowCount(line) : 0), 0);
    try {
      await this.send(lines.map(withoutRows), fromByte, toByte, refusedRows);
    } catch (again) {
      if (!this.options.isRefusal(again)) throw again;
      this.options.onProblem("a request could not even be counted", again);
      const droppedRows = lines.reduce((sum, line) => sum + rowCount(line), 0);
      await this.send([{ overflow: { counts: [], units: [], droppedRows } }], fromByte, toByte, refusedRows);
    }
  }

  private async send(lines: readonly Line[], fromByte: number, toByte: number, refusedRows = 0): Promise<void> {
    const tally = tallyRequests(lines.flatMap((line) => ("request" in line ? [line.request] : [])));
    const overflows = lines.flatMap((line) => ("overflow" in line ? [line.overflow] : []));
    const droppedRows = overflows.reduce((sum, overflow) => sum + overflow.droppedRows, 0);
    this.shippedByte = await this.options.ship({
      spool: this.options.spool,
      gateway: this.options.gateway,
      fromByte,
      toByte,
      counts: addCounts([...tally.counts, ...overflows.flatMap(({ counts }) => counts)]),
      units: [...tally.units, ...overflows.flatMap(({ units }) => units)],
      rows: tally.rows,
      droppedRows,
      acceptedRows: this.options.acceptedRows(),
    });
    // Less than what was sent: a part of it was known, and the rest is read again from there.
    if (this.shippedByte >= toByte) this.count(toByte, tally.rows.length, refusedRows);
  }
}

const rowCount = (line: Line): number =>
  "overflow" in line ? line.overflow.droppedRows : line.request.sampled ? line.request.rowCount : 0;

function withoutRows(line: Line): Line {
  if ("overflow" in line) return line;
  const { counts, units } = tallyRequests([line.request]);
  return { overflow: { counts, units, droppedRows: rowCount(line) } };
}
