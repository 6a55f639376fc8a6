import type { ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import type { Tensor } from "../../contracts/data.ts";
import { Failure, type FailureCode, type FailureFields } from "../../contracts/failures.ts";
import { TENSORS_DESCRIPTOR, type FromModelProcess, type OpenMessage } from "./model-process-messages.ts";
import { forkProgram } from "../compute/fork-program.ts";
import { createFrameReader, writeFrame, type TensorParts } from "./tensor-frames.ts";

/** One life of one child process: it starts, runs, and ends once. */
export interface Slot {
  readonly pid: number;
  /** Rejects with the child's Failure, or INFERENCE_PROCESS_DIED when the child ends first. One run at a time. */
  readonly run: (tensors: readonly TensorParts[]) => Promise<readonly Tensor[]>;
  /** Settles when the process is gone, with how it ended. */
  readonly ended: Promise<string>;
  /** Asks it to end, and ends it after a grace. */
  readonly stop: () => Promise<void>;
  readonly kill: () => void;
}

const childEntry = new URL("./model-process-child.ts", import.meta.url);
const STOP_GRACE_MS = 2_000;

interface Waiting {
  readonly resolve: (outputs: readonly Tensor[]) => void;
  readonly reject: (reason: Error) => void;
}

/**
 * Starts the child and waits until its model is verified, loaded and warm.
 *
 * @param label names the model in messages
 * @throws the child's Failure (DIGEST_MISMATCH, MODEL_NOT_ONNX, FILE_MISSING, HOST_NOT_PROVEN, INFERENCE_FAILED ...); INFERENCE_PROCESS_DIED
 *   when it ended or was silent for `startTimeoutMs`
 */
export async function startSlot(label: string, open: OpenMessage, startTimeoutMs: number): Promise<Slot> {
  const child = forkProgram(childEntry, { stdio: ["ignore", "ignore", "pipe", "ipc", "pipe"] });
  const lastWords = tail(child);
  const waiting = new Map<number, Waiting>();
  let nextId = 1;

  const ended = new Promise<string>((resolve) => {
    const end = (exit: string): void => {
      for (const { reject } of waiting.values()) reject(new Failure("INFERENCE_PROCESS_DIED", { model: label, exit }));
      waiting.clear();
      resolve(exit);
    };
    child.once("exit", (code, signal) => end([signal ?? `code ${code}`, lastWords()].filter(Boolean).join(": ")));
    child.once("error", (error) => {
      // Before it ran there is no exit event; afterwards an unsendable message means the same.
      child.kill("SIGKILL");
      end(error.message);
    });
  });

  // Without descriptors left there is no child, and none of its pipes.
  const socket = (child.stdio as ChildProcess["stdio"] | undefined)?.[TENSORS_DESCRIPTOR] as Socket | undefined;
  if (!socket) throw new Failure("INFERENCE_PROCESS_DIED", { model: label, exit: await ended });
  // What cannot be sent is followed by the exit that rejects.
  socket.on("error", () => undefined);

  const slot: Slot = {
    pid: child.pid ?? 0,
    ended,
    kill: () => child.kill("SIGKILL"),
    run: (tensors) =>
      new Promise((resolve, reject) => {
        const id = nextId++;
        waiting.set(id, { resolve, reject });
        writeFrame(socket, id, tensors);
      }),
    stop: async () => {
      // It waits for one or the other: for runs, or to be told what to open.
      socket.end();
      if (child.connected) child.disconnect();
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_GRACE_MS);
      await ended;
      clearTimeout(timer);
    },
  };

  socket.on(
    "data",
    createFrameReader((id, outputs) => take(waiting, id)?.resolve(outputs)),
  );
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), startTimeoutMs);
    child.on("message", (message: FromModelProcess) => {
      if (message.kind === "ready") {
        clearTimeout(timer);
        resolve();
      } else if (message.id === null) {
        child.kill("SIGKILL");
        reject(revive(label, message));
      } else {
        take(waiting, message.id)?.reject(revive(label, message));
      }
    });
    const fail = (exit: string): void => {
      clearTimeout(timer);
      reject(new Failure("INFERENCE_PROCESS_DIED", { model: label, exit }));
    };
    void ended.then(fail);
    child.send(open, () => undefined);
  });
  return slot;
}

function take(waiting: Map<number, Waiting>, id: number): Waiting | undefined {
  const found = waiting.get(id);
  waiting.delete(id);
  return found;
}

function revive(label: string, message: Extract<FromModelProcess, { kind: "failed" }>): Error {
  if (message.code) return new Failure(message.code, message.fields as FailureFields<FailureCode>);
  // What the child threw is its bug; it keeps its own stack, with the model in front.
  return new Error(`model ${label}: ${message.message}`);
}

/** Keeps the last characters a child wrote to standard error, for the message when it dies. */
function tail(child: ChildProcess): () => string {
  let kept = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    kept = (kept + chunk.toString()).slice(-500);
  });
  return () => kept.trim();
}
