import type { FileHandle } from "node:fs/promises";
import { unreadable } from "./unreadable.ts";

/** A member of a zip archive as its central directory tells. */
export interface ZipEntry {
  readonly name: string;
  readonly deflated: boolean;
  readonly crc: number;
  readonly storedBytes: number;
  readonly sizeBytes: number;
  /** Of the member's local header. */
  readonly offset: number;
}

/** An archive of arrays has as many members as columns: what is beyond these bounds is no such archive. */
const MOST_ENTRIES = 10_000;
const MOST_DIRECTORY_BYTES = 4 * 1024 * 1024;
/** Deflate cannot do better than 1032 to 1: a member that says more is lying about its size. */
const MOST_DEFLATE_RATIO = 1032;
const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const FULL = 0xffffffff;

/**
 * The members of a zip archive, zip64 included, from its central directory only.
 * @throws DATA_UNREADABLE when it is no zip, damaged, encrypted, or of hostile size
 */
export async function readZipEntries(file: FileHandle, path: string): Promise<ZipEntry[]> {
  const { size } = await file.stat();
  const { count, directoryBytes, directoryOffset } = await findDirectory(file, size, path);
  if (count > MOST_ENTRIES || directoryBytes > MOST_DIRECTORY_BYTES) {
    throw unreadable(path, `${count} members, a directory of ${directoryBytes} bytes`, `${MOST_ENTRIES} members`);
  }
  const directory = await readAt(file, directoryOffset, directoryBytes, path);
  const entries: ZipEntry[] = [];
  const names = new Set<string>();
  for (let at = 0; entries.length < count;) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== 0x02014b50) throw damaged(path);
    const nameBytes = directory.readUInt16LE(at + 28);
    const extraBytes = directory.readUInt16LE(at + 30);
    const end = at + 46 + nameBytes + extraBytes + directory.readUInt16LE(at + 32);
    if (end > directory.length) throw damaged(path);
    const entry = parseEntry(directory.subarray(at, end), nameBytes, extraBytes, path);
    if (entry.offset + entry.storedBytes > size) throw damaged(path);
    if (names.has(entry.name)) throw unreadable(path, `"${entry.name}" twice`, "one member of a name");
    names.add(entry.name);
    entries.push(entry);
    at = end;
  }
  return entries;
}

/** Where a member's bytes begin: after its local header, whose name and extra field have lengths of their own. */
export async function contentOffset(file: FileHandle, entry: ZipEntry, path: string): Promise<number> {
  const header = await readAt(file, entry.offset, 30, path);
  if (header.readUInt32LE(0) !== 0x04034b50) throw damaged(path);
  return entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
}

function parseEntry(record: Buffer, nameBytes: number, extraBytes: number, path: string): ZipEntry {
  const name = record.toString("utf8", 46, 46 + nameBytes);
  const method = record.readUInt16LE(10);
  if ((record.readUInt16LE(8) & 1) === 1)
    throw unreadable(path, `"${name}" is encrypted`, "members without encryption");
  if (method !== 0 && method !== 8) {
    throw unreadable(path, `"${name}" is compressed by method ${method}`, "stored and deflated members");
  }
  const extra = record.subarray(46 + nameBytes, 46 + nameBytes + extraBytes);
  const wide = wideFields(extra);
  const field = (at: number) => {
    const value = record.readUInt32LE(at);
    return value === FULL ? (wide.shift() ?? value) : value;
  };
  const sizeBytes = field(24);
  const storedBytes = field(20);
  const entry = {
    name,
    deflated: method === 8,
    crc: record.readUInt32LE(16),
    sizeBytes,
    storedBytes,
    offset: field(42),
  };
  if (entry.deflated ? sizeBytes > storedBytes * MOST_DEFLATE_RATIO : sizeBytes !== storedBytes) {
    throw unreadable(path, `"${name}" says ${sizeBytes} bytes but stores ${storedBytes}`, "sizes that can be true");
  }
  return entry;
}

/** Numbers of the zip64 extra field: size, stored size, offset, of which only those stand there that did not fit. */
function wideFields(extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length;) {
    const bytes = extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === 1 && at + 4 + bytes <= extra.length) {
      return Array.from({ length: Math.floor(bytes / 8) }, (_, index) =>
        Number(extra.readBigUInt64LE(at + 4 + index * 8)),
      );
    }
    at += 4 + bytes;
  }
  return [];
}

async function findDirectory(file: FileHandle, size: number, path: string) {
  // The end record is last but for a comment of at most 64 KiB.
  const tailBytes = Math.min(size, END_BYTES + 65_535 + LOCATOR_BYTES);
  const tail = await readAt(file, size - tailBytes, tailBytes, path);
  let end = tail.length - END_BYTES;
  while (end >= 0 && tail.readUInt32LE(end) !== 0x06054b50) end--;
  if (end < 0) throw unreadable(path, "not a zip archive", "an npz file as numpy.savez writes it");
  const locator = end - LOCATOR_BYTES;
  if (locator >= 0 && tail.readUInt32LE(locator) === 0x07064b50) {
    const wide = await readAt(file, Number(tail.readBigUInt64LE(locator + 8)), 56, path);
    if (wide.readUInt32LE(0) !== 0x06064b50) throw damaged(path);
    return {
      count: Number(wide.readBigUInt64LE(32)),
      directoryBytes: Number(wide.readBigUInt64LE(40)),
      directoryOffset: Number(wide.readBigUInt64LE(48)),
    };
  }
  return {
    count: tail.readUInt16LE(end + 10),
    directoryBytes: tail.readUInt32LE(end + 12),
    directoryOffset: tail.readUInt32LE(end + 16),
  };
}

async function readAt(file: FileHandle, position: number, length: number, path: string): Promise<Buffer> {
  const { size } = await file.stat();
  if (!Number.isSafeInteger(position) || position < 0 || position + length > size) throw damaged(path);
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, position);
  if (bytesRead !== length) throw damaged(path);
  return bytes;
}

const damaged = (path: string) => unreadable(path, "a damaged or truncated zip archive", "a whole npz file");
