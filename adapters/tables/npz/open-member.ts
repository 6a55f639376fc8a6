import type { FileHandle } from "node:fs/promises";
import { pipeline } from "node:stream";
import { crc32, createInflateRaw } from "node:zlib";
import { contentOffset, type ZipEntry } from "./read-zip.ts";
import { unreadable } from "./unreadable.ts";

/** A member's bytes from its beginning, as many at a time as asked for. */
export interface MemberReader {
  /** Fills the whole target. */
  readonly readInto: (target: Uint8Array) => Promise<void>;
  /** Reads nothing more, but makes sure that this was the end and that the checksum is right. */
  readonly end: () => Promise<void>;
  readonly close: () => void;
}

const PIECE_BYTES = 256 * 1024;

/** @throws (on reading) DATA_UNREADABLE for a stream that ends early, goes on too long, or has another checksum */
export async function openMember(file: FileHandle, entry: ZipEntry, path: string): Promise<MemberReader> {
  const start = await contentOffset(file, entry, path);
  const chunks = openStream(file, entry, start)[Symbol.asyncIterator]();
  const broken = (found: string, cause?: unknown) =>
    unreadable(path, `member "${entry.name}" ${found}`, "a whole npz file", cause);
  let rest: Buffer = Buffer.alloc(0);
  let checksum = 0;
  const next = async (): Promise<boolean> => {
    try {
      const { done, value } = await chunks.next();
      if (done === true) return false;
      rest = value;
      checksum = crc32(rest, checksum);
      return true;
    } catch (error) {
      throw broken("cannot be inflated", error);
    }
  };
  return {
    async readInto(target) {
      for (let filled = 0; filled < target.length;) {
        if (rest.length === 0 && !(await next())) throw broken("ends early");
        const piece = rest.subarray(0, target.length - filled);
        target.set(piece, filled);
        filled += piece.length;
        rest = rest.subarray(piece.length);
      }
    },
    async end() {
      if (rest.length > 0 || (await next())) throw broken(`is longer than its array`);
      if (checksum !== entry.crc) throw broken("has a wrong checksum");
    },
    close: () => void chunks.return?.(),
  };
}

function openStream(file: FileHandle, entry: ZipEntry, start: number): AsyncIterable<Buffer> {
  const stored = readRange(file, start, start + entry.storedBytes);
  if (!entry.deflated) return stored;
  // Errors reach the reader through the inflating end; the callback only keeps them from being thrown a second time.
  return pipeline(stored, createInflateRaw(), () => undefined);
}

/** All members share one open file, which a `createReadStream` each would crowd with listeners. */
async function* readRange(file: FileHandle, from: number, to: number): AsyncGenerator<Buffer> {
  for (let position = from; position < to;) {
    const buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, to - position));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    position += bytesRead;
  }
}
