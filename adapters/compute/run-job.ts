import { Failure, FAILURES, type FailureCode, type FailureFields } from "../../contracts/failures.ts";
import type { SearchProgress } from "../../contracts/search-progress.ts";
import type { JobContext } from "./job.ts";
import { borrowProcess, type JobProcess } from "./job-process.ts";
import type { JobInput, JobName, JobOutput } from "./jobs.ts";

export interface JobOptions {
  /** Aborting kills the process: native code cannot be interrupted, only ended. */
  readonly signal?: AbortSignal;
  /** `share` runs from 0 to 1. */
  readonly onProgress?: JobContext["progress"];
}

/** What a job's process is asked. */
export interface JobRequest {
  readonly name: JobName;
  readonly input: unknown;
}

/** What it sends back. */
export type JobMessage =
  | {
      readonly kind: "progress";
      readonly share: number;
      readonly note: string;
      readonly search: SearchProgress | undefined;
    }
  | { readonly kind: "result"; readonly output: unknown }
  | { readonly kind: "failure"; readonly code: FailureCode; readonly fields: object; readonly message: string }
  | { readonly kind: "bug"; readonly message: string; readonly stack: string };

/**
 * Runs a job outside this process. DuckDB and ONNX Runtime are native code that blocks, aborts and keeps memory; there an abort
 * costs one job, and this event loop stays free to heartbeat.
 * @throws the job's own Failure; INFERENCE_PROCESS_DIED when the process ended without an answer; the signal's reason on abort
 */
export async function runJob<Name extends JobName>(
  name: Name,
  input: JobInput<Name>,
  options: JobOptions = {},
): Promise<JobOutput<Name>> {
  options.signal?.throwIfAborted();
  const borrowed = borrowProcess();
  const abort = () => borrowed.child.kill("SIGKILL");
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    const output = await answer(borrowed, { name, input }, options);
    borrowed.giveBack();
    return output as JobOutput<Name>;
  } catch (thrown) {
    // Whatever state the failure left it in goes with it.
    borrowed.child.kill("SIGKILL");
    throw thrown;
  } finally {
    options.signal?.removeEventListener("abort", abort);
    borrowed.child.removeAllListeners("message").removeAllListeners("error");
  }
}

async function answer({ child, lastWords }: JobProcess, request: JobRequest, options: JobOptions): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.on("message", (message: JobMessage) => {
      if (message.kind === "progress") options.onProgress?.(message.share, message.note, message.search);
      else if (message.kind === "result") resolve(message.output);
      else reject(revive(message));
    });
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      const exit = `${signal ?? `code ${String(code)}`} ${lastWords()}`;
      if (options.signal?.aborted) reject(options.signal.reason as Error);
      else reject(new Failure("INFERENCE_PROCESS_DIED", { model: `job ${request.name}`, exit }));
    });
    child.send(request, (error) => {
      if (error) reject(error);
    });
  });
}

function revive(message: Extract<JobMessage, { kind: "failure" | "bug" }>): Error {
  if (message.kind === "failure" && message.code in FAILURES) {
    return new Failure(message.code, message.fields as FailureFields<FailureCode>);
  }
  const bug = new Error(message.message);
  if (message.kind === "bug") bug.stack = message.stack;
  return bug;
}
