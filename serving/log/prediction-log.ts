import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { tallyRequests } from "./batch.ts";
import { toRecord, writeOverflowLine, writeRequestLine, type JournalRequest } from "./journal-line.ts";
import { createOverflow } from "./overflow.ts";
import { Progress } from "./progress.ts";
import type { StartShipping } from "./shipping.ts";
import { claimSpool, OWN_RUN } from "./spool-owner.ts";
import { Spool } from "./spool.ts";

export interface PredictionLogOptions {
  /** Who journals. */
  readonly gateway: string;
  /** Folder of this gateway's spool and of those that others left behind; gateways may share it. */
  readonly directory: string;
  readonly startShipping: StartShipping;
  readonly onProblem: (what: string, problem: unknown) => void;
  /** What may lie on disk; 1 GiB by default. Beyond it requests are counted and their rows dropped. */
  readonly limitBytes?: number;
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
 * journalled before it is answered, and nobody waits for Postgres. This thread only writes the journal.
 */
export interface PredictionLog {
  readonly append: (request: JournalRequest) => void;
  readonly counts: () => PredictionLogCounts;
  /** Ships what waits, giving up after `withinMs`; what is left stays on disk for the next gateway. */
  readonly close: (withinMs?: number) => Promise<void>;
}

/** Lines that may wait for a disk that takes nothing. */
const STUCK_LINES = 10_000;

/** Begins a spool, and brings those to Postgres that dead gateways left behind. */
export async function startPredictionLog(options: PredictionLogOptions): Promise<PredictionLog> {
  const { gateway, directory: root, startShipping, onProblem, limitBytes = 2 ** 30 } = options;
  const name = randomUUID();
  const directory = join(root, name);
  const claim = await claimSpool(directory, gateway);
  const progress = new Progress();
  const spool = new Spool({ directory, onProblem, onWritten: (endByte) => progress.set("endByte", endByte) });
  const shipping = startShipping({ root, name, gateway, run: OWN_RUN, progress, onProblem });
  const waitingBytes = () => spool.endByte - progress.get("shippedByte");
  const overflow = createOverflow((kept) => spool.append(writeOverflowLine(kept)));
  let overflowRows = 0;

  return {
    append: (request) => {
      const rows = request.sampled ? request.rowCount : 0;
      progress.add("acceptedRows", rows);
      if (waitingBytes() < limitBytes && spool.waitingLines < STUCK_LINES) {
        spool.append(writeRequestLine(request));
        return;
      }
      overflowRows += rows;
      overflow.add(tallyRequests([toRecord({ ...request, sampled: false })]), rows);
    },
    counts: () => {
      const accepted = progress.get("acceptedRows");
      const written = progress.get("writtenRows");
      const dropped = overflowRows + progress.get("refusedRows");
      return { accepted, written, spilled: accepted - written - dropped, dropped };
    },
    close: async (withinMs = 5_000) => {
      const deadline = Date.now() + withinMs;
      overflow.flush();
      while (!spool.flush() && Date.now() < deadline) await sleep(100);
      spool.close();
      await shipping.finish(Math.max(0, deadline - Date.now()));
      await claim.release();
      if (waitingBytes() === 0) await rm(directory, { recursive: true, force: true });
    },
  };
}
