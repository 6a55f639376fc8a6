import { isFailure } from "../../contracts/failures.ts";
import { jobs, type JobName } from "./jobs.ts";
import type { JobMessage } from "./run-job.ts";

/** Entry of a job's process: one message in, progress and one answer out. It ends when its parent does. */
const send = (message: JobMessage) => process.send?.(message);
const name = process.argv[2] as JobName;

process.on("disconnect", () => process.exit(1));
process.once("message", (input) => {
  // The parent's types say that this is the job's own input.
  void run(input as never);
});

async function run(input: never): Promise<void> {
  try {
    const output = await jobs[name](input, { progress: (share, note) => send({ kind: "progress", share, note }) });
    send({ kind: "result", output });
  } catch (thrown) {
    if (isFailure(thrown)) send({ kind: "failure", code: thrown.code, fields: thrown.fields, message: thrown.message });
    else if (thrown instanceof Error) send({ kind: "bug", message: thrown.message, stack: thrown.stack ?? "" });
    else send({ kind: "bug", message: String(thrown), stack: "" });
  }
}
