import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { openDatabase } from "../../db/client.ts";
import { isRefusedByPostgres } from "../../db/sql-state.ts";
import { createDatabaseLog } from "./database-log.ts";
import { Progress } from "./progress.ts";
import { shipHere } from "./shipping.ts";
import type { FromShippingThread, ThreadData, ToShippingThread } from "./shipping-thread.ts";

/** Entry of the thread that ships, behind everything else, until it is told to finish. */
const LOWEST = 19;
// Linux alone knows priorities of threads. What is shipped a moment later costs nobody an answer.
if (process.platform === "linux") setPriority(0, LOWEST);

const { databaseUrl, root, name, gateway, run, memory } = workerData as ThreadData;

/** The own journal, and a dead gateway's beside it. */
const database = openDatabase({ url: databaseUrl, maximumConnections: 2 });

const shipping = shipHere({ ship: createDatabaseLog(database, gateway), isRefusal: isRefusedByPostgres })({
  root,
  name,
  gateway,
  run,
  progress: new Progress(memory),
  onProblem: (what, problem) => {
    // What Postgres said is innermost: the query layer wraps it in the whole statement.
    let cause = problem;
    while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    parentPort?.postMessage({ what, reason } satisfies FromShippingThread);
  },
});

parentPort?.once("message", ({ finishWithinMs }: ToShippingThread) => {
  void shipping
    .finish(finishWithinMs)
    .then(() => database.close())
    .then(() => process.exit());
});
