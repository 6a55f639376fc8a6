import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";

export interface BoundedLog {
  readonly write: (kind: "output" | "error", line: string) => void;
  /** The last words: the end of what came on standard error, or of standard output when nothing did. */
  readonly tail: () => string;
  readonly close: () => Promise<void>;
}

const LARGEST_LOG_BYTES = 4 * 1024 * 1024;
const TAIL_CHARACTERS = 2_000;

/** A log file that keeps the first bytes, and in memory the last: the start says what was run, the end why it failed. */
export function createBoundedLog(path: string): BoundedLog {
  const file = createWriteStream(path);
  // A log that cannot be written must not fail the training it tells of.
  const done = finished(file).catch(() => {});
  const tails = { output: "", error: "" };
  let leftBytes = LARGEST_LOG_BYTES;
  return {
    write: (kind, line) => {
      tails[kind] = `${tails[kind]}${line}\n`.slice(-TAIL_CHARACTERS);
      if (leftBytes <= 0) return;
      leftBytes -= Buffer.byteLength(line) + 1;
      file.write(leftBytes > 0 ? `${line}\n` : `(the log ends here, at ${LARGEST_LOG_BYTES} bytes)\n`);
    },
    tail: () => tails.error.trim() || tails.output.trim(),
    close: async () => {
      file.end();
      await done;
    },
  };
}
