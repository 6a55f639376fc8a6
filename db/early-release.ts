import { sql } from "drizzle-orm";

import type { Queryable, Transaction } from "./client.ts";

/** Where transactions are run. */
export interface Transacting {
  transaction<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result>;
}

/**
 * Transactions with early lock release: at the commit their locks end, and the caller is answered when it is on disk, for which all who
 * commit meanwhile wait together. Whoever records holds the audit log's head, so that otherwise all writers wait for the disk one after
 * the other. Others see what was written before it is on disk, and a crash of the server in between takes it away again, with all that was
 * written after it: not for what somebody outside the database acts on as soon as he sees it, such as routing epochs.
 */
export function createEarlyRelease(db: Queryable): Transacting {
  const wait = createSharedWait(() => reachDisk(db));
  return {
    transaction: async (work) => {
      const result = await db.transaction(async (tx) => {
        await tx.execute(sql`SET LOCAL synchronous_commit = off`);
        return await work(tx);
      });
      await wait();
      return result;
    },
  };
}

/** Returns when everything that is committed now is on disk. */
export async function reachDisk(db: Queryable): Promise<void> {
  // A commit of its own, which waits as the server is told to, for its standbys too; the log is written in order.
  await db.execute(sql`SELECT pg_logical_emit_message(true, 'modelwright', '')`);
}

/** Reaches for all who ask at once, in order: who asks meanwhile may have written something since, and waits for the next time. */
export function createSharedWait(reach: () => Promise<void>): () => Promise<void> {
  let present: Promise<void> = Promise.resolve();
  let next: Promise<void> | null = null;
  const begin = async (): Promise<void> => {
    await present.catch(() => undefined);
    next = null;
    present = reach();
    await present;
  };
  return async () => {
    next ??= begin();
    await next;
  };
}
