import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Failure, FAILURES, type FailureCode, type FailureFields } from "../../contracts/failures.ts";
import type { JobInput, JobName, JobOutput } from "./jobs.ts";

export interface JobOptions {
  /** Aborting kills the child: native code cannot be interrupted, only ended. */
  readonly signal?: AbortSignal;
  /** `share` runs from 0 to 1. */
  readonly onProgress?: (share: number, note: string) => void;
}

/** What a child sends back. */
export type JobMessage =
  | { readonly kind: "progress"; readonly share: number; readonly note: string }
  | { readonly kind: "result"; readonly output: unknown }
  | { readonly kind: "failure"; readonly code: FailureCode; readonly fields: object; readonly message: string }
  | { readonly kind: "bug"; readonly message: string; readonly stack: string };

const childEntry = fileURLToPath(new URL("./child.ts", import.meta.url));

/**
 * Runs a job in its own process. DuckDB and ONNX Runtime are native code that blocks, aborts and keeps memory; here an abort
 * costs one child and the caller's event loop stays free to heartbeat.
 * @throws the job's own Failure; INFERENCE_PROCESS_DIED when the child ended without an answer; the signal's reason on abort
 */
export async function runJob<Name extends JobName>(
  name: Name,
  input: JobInput<Name>,
  options: JobOptions = {},
): Promise<JobOutput<Name>> {
  options.signal?.throwIfAborted();
  const child = fork(childEntry, [name], { serialization: "advanced", stdio: ["ignore", "ignore", "pipe", "ipc"] });
  const abort = () => child.kill("SIGKILL");
  options.signal?.addEventListener("abort", abort, { once: true });
  const errors = tail(child.stderr, 2000);
  try {
    return await new Promise<JobOutput<Name>>((resolve, reject) => {
      child.on("message", (message: JobMessage) => {
        if (message.kind === "progress") options.onProgress?.(message.share, message.note);
        else if (message.kind === "result") resolve(message.output as JobOutput<Name>);
        else reject(revive(message));
      });
      child.on("error", reject);
      child.on("exit", (code, signal) => {
        if (options.signal?.aborted) reject(options.signal.reason as Error);
        else
          reject(
            new Failure("INFERENCE_PROCESS_DIED", {
              model: `job ${name}`,
              exit: `${signal ?? `code ${code}`} ${errors()}`,
            }),
          );
      });
      child.send(input, (error) => {
        if (error) reject(error);
      });
    });
  } finally {
    options.signal?.removeEventListener("abort", abort);
    child.kill("SIGKILL");
  }
}

function revive(message: Extract<JobMessage, { kind: "failure" | "bug" }>): Error {
  if (message.kind === "failure" && message.code in FAILURES) {
    return new Failure(message.code, message.fields as FailureFields<FailureCode>);
  }
  const bug = new Error(message.message);
  if (message.kind === "bug") bug.stack = message.stack;
  return bug;
}

/** Keeps the last characters of a stream, for the message when a child dies. */
function tail(stream: NodeJS.ReadableStream | null, length: number): () => string {
  let kept = "";
  stream?.on("data", (chunk: Buffer) => {
    kept = (kept + chunk.toString()).slice(-length);
  });
  return () => kept.trim();
}
