import { isFailure } from "../../contracts/failures.ts";
import { jobs } from "./jobs.ts";
import type { JobMessage, JobRequest } from "./run-job.ts";

/** Entry of a job process: a request in, progress and one answer out, then the next. It ends when its parent does. */
const send = (message: JobMessage) => process.send?.(message);

process.on("disconnect", () => process.exit(1));
process.on("message", (request) => {
  void run(request as JobRequest);
});

async function run({ name, input }: JobRequest): Promise<void> {
  try {
    // The parent's types say that this is the job's own input.
    const output = await jobs[name](input as never, {
      progress: (share, note, search) => send({ kind: "progress", share, note, search }),
    });
    send({ kind: "result", output });
  } catch (thrown) {
    if (isFailure(thrown)) send({ kind: "failure", code: thrown.code, fields: thrown.fields, message: thrown.message });
    else if (thrown instanceof Error) send({ kind: "bug", message: thrown.message, stack: thrown.stack ?? "" });
    else send({ kind: "bug", message: String(thrown), stack: "" });
  }
}
