import { readFile } from "node:fs/promises";
import { Socket } from "node:net";
import type { Tensor } from "../../contracts/data.ts";
import { Failure, isFailure } from "../../contracts/failures.ts";
import { TENSORS_DESCRIPTOR, type FromModelProcess, type OpenMessage } from "./model-process-messages.ts";
import { checkGolden } from "./serving-record.ts";
import { openSession } from "./session.ts";
import { createFrameReader, writeFrame } from "./tensor-frames.ts";
import { zeroTensors } from "./zero-tensors.ts";

/**
 * Entry of a model's process: one `open`, then runs, one at a time and in order. It ends when its parent does, and only then:
 * signals of the terminal go to the whole group, and the gateway still has requests to answer.
 */
type Session = Awaited<ReturnType<typeof openSession>>;

const send = (message: FromModelProcess) => process.send?.(message);
process.on("disconnect", () => process.exit(0));
// A preload of the supervisor's may have let go of the channel, which is all that keeps an idle model's process alive.
process.channel?.ref();
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);

let session: Session | undefined;
let previous: Promise<void> = Promise.resolve();

const socket = new Socket({ fd: TENSORS_DESCRIPTOR });
// It breaks when the parent ends, which the channel tells too.
socket.on("error", () => undefined);
socket.on(
  "data",
  createFrameReader((id, tensors) => {
    previous = previous.then(() => settle(id, () => run(id, tensors)));
  }),
);
process.once("message", (message: OpenMessage) => {
  previous = settle(null, async () => {
    session = await open(message);
    send({ kind: "ready" });
  });
});

async function run(id: number, tensors: readonly Tensor[]): Promise<void> {
  const outputs = await session?.run(tensors);
  if (outputs)
    writeFrame(
      socket,
      id,
      outputs.map(({ data, ...tensor }) => ({ ...tensor, parts: [data] })),
    );
}

/** @param id of the run; null while it starts */
async function settle(id: number | null, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    if (isFailure(thrown)) {
      send({ kind: "failed", id, code: thrown.code, fields: thrown.fields, message: thrown.message });
    } else {
      const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      send({ kind: "failed", id, code: null, fields: {}, message: text });
    }
  }
}

async function open(message: OpenMessage): Promise<Session> {
  const model = await readFile(message.path).catch((cause: unknown) => {
    throw new Failure("FILE_MISSING", { path: message.path, what: "model to serve" }, { cause });
  });
  const opened = await openSession({ model, digest: message.digest, intraOpThreads: message.intraOpThreads });
  // Zeros have a shape the model must take only where the batch is the one open axis; elsewhere the first request warms up.
  const { inputs } = message.signature;
  if (inputs.every(({ shape }) => !shape.slice(1).includes(-1))) {
    for (const rowCount of [1, 8]) await opened.run(zeroTensors(message.signature, rowCount));
  }
  if (message.record) await checkGolden(message.label, opened, message.record);
  return opened;
}
