import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { RequestRecord } from "../../contracts/inference.ts";
import { tallyRequests } from "./batch.ts";
import { createOverflow } from "./overflow.ts";
import { shipAbandonedSpools } from "./abandoned.ts";
import { createShipLoop } from "./ship-loop.ts";
import { Shipper, STRETCH_BYTES, type Line, type ShipperOptions } from "./shipper.ts";
import { claimSpool } from "./spool-owner.ts";
import { Spool } from "./spool.ts";

export interface PredictionLogOptions extends Pick<ShipperOptions, "ship" | "onProblem"> {
  /** Folder of this gateway's spool and of those that others left behind; gateways may share it. */
  readonly directory: string;
  readonly isRefusal?: ShipperOptions["isRefusal"];
  /** What may lie on disk; 1 GiB by default. Beyond it requests are counted and their rows dropped. */
  readonly limitBytes?: number;
  /** 200 ms by default. */
  readonly flushMs?: number;
}

/** Rows of the prediction log; `accepted` is always `written + spilled + dropped`. */
export interface PredictionLogCounts {
  readonly accepted: number;
  /** In Postgres. */
  readonly written: number;
  /** On disk, on their way. */
  readonly spilled: number;
  readonly dropped: number;
}

/**
 * What is counted of requests, and what is kept, on its way out of the gateway. Everything goes by way of the disk: a request is
 * journalled before it is answered, and nobody waits for Postgres.
 */
export interface PredictionLog {
  readonly append: (record: RequestRecord) => void;
  readonly counts: () => PredictionLogCounts;
  /** Ships what waits, giving up after `withinMs`; what is left stays on disk for the next gateway. */
  readonly close: (withinMs?: number) => Promise<void>;
}

/** Lines that may wait for a disk that takes nothing. */
const STUCK_LINES = 10_000;

/** Begins a spool, and brings those to Postgres that dead gateways left behind. */
export async function startPredictionLog(options: PredictionLogOptions): Promise<PredictionLog> {
  const { limitBytes = 2 ** 30, flushMs = 200, onProblem, ship, isRefusal = () => false } = options;
  const name = randomUUID();
  const directory = join(options.directory, name);
  const claim = await claimSpool(directory);
  const spool = new Spool({ directory, onProblem });
  const counted = { accepted: 0, written: 0, dropped: 0 };
  const shipper = new Shipper({
    directory,
    spool: name,
    ship,
    isRefusal,
    onProblem,
    acceptedRows: () => counted.accepted,
    onShipped: ({ rows, refusedRows }) => {
      counted.written += rows;
      counted.dropped += refusedRows;
    },
  });
  const loop = createShipLoop({ shipper, endByte: () => spool.wholeByte(), flushMs, onProblem });
  const abandoned = shipAbandonedSpools({ root: options.directory, own: name, ship, isRefusal, onProblem });
  const waitingBytes = () => spool.endByte - shipper.shippedByte;
  const write = (line: Line) => {
    spool.append(JSON.stringify(line));
    loop.wake({ atOnce: waitingBytes() >= STRETCH_BYTES });
  };
  const overflow = createOverflow((kept) => write({ overflow: kept }));

  return {
    append: (record) => {
      const rows = record.sampled ? record.rowCount : 0;
      counted.accepted += rows;
      if (waitingBytes() < limitBytes && spool.waitingLines < STUCK_LINES) {
        write({ request: record });
        return;
      }
      counted.dropped += rows;
      overflow.add(tallyRequests([{ ...record, sampled: false }]), rows);
    },
    counts: () => ({ ...counted, spilled: counted.accepted - counted.written - counted.dropped }),
    close: async (withinMs = 5_000) => {
      overflow.flush();
      await abandoned.stop();
      spool.close();
      await loop.finish(withinMs);
      await claim.release();
      if (waitingBytes() === 0) await rm(directory, { recursive: true, force: true });
    },
  };
}
