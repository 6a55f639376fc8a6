import { readFile } from "node:fs/promises";
import { Failure, isFailure } from "../../contracts/failures.ts";
import { TENSORS_DESCRIPTOR, type FromModelProcess, type OpenMessage } from "./model-process-messages.ts";
import { checkGolden } from "./serving-record.ts";
import { openSession } from "./session.ts";
import { readFrameSync, writeFrameSync } from "./tensor-frames.ts";
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

process.once("message", (message: OpenMessage) => void serve(message));

/**
 * The descriptor blocks: a run is there to be read when its bytes are, without a turn of the event loop and the wake-ups around it, and there is
 * nothing else to hear of but the parent's end, which ends the descriptor too.
 */
async function serve(message: OpenMessage): Promise<void> {
  const session = await settle(null, () => open(message));
  if (!session) return;
  send({ kind: "ready" });
  for (let frame = readFrameSync(TENSORS_DESCRIPTOR); frame; frame = readFrameSync(TENSORS_DESCRIPTOR)) {
    const { id, tensors } = frame;
    const outputs = await settle(id, () => session.run(tensors));
    const parts = outputs?.map(({ data, ...tensor }) => ({ parts: [data], ...tensor }));
    if (parts) writeFrameSync(TENSORS_DESCRIPTOR, id, parts);
  }
  process.exit(0);
}

/**
 * What came of it; undefined when it failed, which the parent is told.
 *
 * @param id of the run; null while it starts
 */
async function settle<Value>(id: number | null, work: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await work();
  } catch (thrown) {
    if (isFailure(thrown)) {
      send({ kind: "failed", id, code: thrown.code, fields: thrown.fields, message: thrown.message });
    } else {
      const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      send({ kind: "failed", id, code: null, fields: {}, message: text });
    }
    return undefined;
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
