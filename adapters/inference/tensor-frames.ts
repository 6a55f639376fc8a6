import { readSync, writeSync } from "node:fs";
import type { Socket } from "node:net";
import type { Tensor, TensorValues } from "../../contracts/data.ts";
import { typedArrayOf } from "./zero-tensors.ts";

/** A tensor whose rows lie in several places, one after another. */
export interface TensorParts extends Omit<Tensor, "data"> {
  readonly parts: readonly Tensor["data"][];
}

/**
 * Tensors on their way between the gateway and a model's process: the bytes as they lie in memory, behind a few words of JSON. Nothing is
 * joined or copied before the kernel takes it; structured clone copies each tensor four times, and that of an image costs more than to run it.
 *
 * A frame is two little-endian uint32 (bytes of the header, bytes of the values), the header, the values. All are multiples of 8 bytes, so
 * that typed arrays can lie over what was received.
 */
interface FrameHeader {
  readonly id: number;
  readonly tensors: readonly (Omit<Tensor, "data"> &
    ({ readonly from: number; readonly count: number } | { readonly strings: readonly string[] }))[];
}

const LENGTHS_BYTES = 8;
/** Beyond it pieces are written as they are; below it one write of a copy costs less. */
const COPIED_BYTES = 64 * 1024;

/** The tensors of one run as the bytes to write: one piece, or more where copying them would cost more than writing each. */
function frameOf(id: number, tensors: readonly TensorParts[]): readonly Uint8Array[] {
  const values: Uint8Array[] = [];
  let valueBytes = 0;
  const described = tensors.map(({ name, datatype, shape, parts }) => {
    if (datatype === "BYTES") return { name, datatype, shape, strings: parts.filter(isStrings).flat() };
    const from = valueBytes;
    let count = 0;
    for (const part of parts) {
      if (isStrings(part)) throw new TypeError(`tensor "${name}" of ${datatype} holds strings`);
      values.push(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
      valueBytes += part.byteLength;
      count += part.length;
    }
    const padding = -valueBytes & 7;
    if (padding > 0) values.push(new Uint8Array(padding));
    valueBytes += padding;
    return { name, datatype, shape, from, count };
  });
  const json = JSON.stringify({ id, tensors: described } satisfies FrameHeader);
  const jsonBytes = Buffer.byteLength(json);
  const head = Buffer.alloc(LENGTHS_BYTES + jsonBytes + (-jsonBytes & 7), " ");
  head.writeUInt32LE(head.length - LENGTHS_BYTES, 0);
  head.writeUInt32LE(valueBytes, 4);
  head.write(json, LENGTHS_BYTES);
  return valueBytes <= COPIED_BYTES ? [Buffer.concat([head, ...values])] : [head, ...values];
}

/** Writes the tensors of one run. */
export function writeFrame(
  socket: Pick<Socket, "write" | "cork" | "uncork">,
  id: number,
  tensors: readonly TensorParts[],
): void {
  const pieces = frameOf(id, tensors);
  if (pieces.length === 1) {
    socket.write(pieces[0]!);
    return;
  }
  socket.cork();
  for (const piece of pieces) socket.write(piece);
  socket.uncork();
}

/** Writes the tensors of one run and returns when the kernel has them. For processes that have nothing else to do meanwhile. */
export function writeFrameSync(descriptor: number, id: number, tensors: readonly TensorParts[]): void {
  for (const piece of frameOf(id, tensors)) {
    for (let done = 0; done < piece.length;) done += writeSync(descriptor, piece, done);
  }
}

/** Waits for the next frame; null when whoever writes them has ended. */
export function readFrameSync(descriptor: number): { readonly id: number; readonly tensors: readonly Tensor[] } | null {
  const lengths = readFully(descriptor, Buffer.allocUnsafe(LENGTHS_BYTES));
  if (!lengths) return null;
  const headerBytes = lengths.readUInt32LE(0);
  const frame = readFully(descriptor, Buffer.allocUnsafeSlow(headerBytes + lengths.readUInt32LE(4)));
  return frame && readFrame(frame, headerBytes);
}

/** Null when what is read ends before. */
function readFully(descriptor: number, target: Buffer): Buffer | null {
  for (let filled = 0; filled < target.length;) {
    const read = readSync(descriptor, target, filled, target.length - filled, null);
    if (read === 0) return null;
    filled += read;
  }
  return target;
}

/** Tells each frame that arrives in chunks of any size. Its tensors lie in memory of their own. */
export function createFrameReader(
  onFrame: (id: number, tensors: readonly Tensor[]) => void,
): (chunk: Uint8Array) => void {
  let target = Buffer.allocUnsafeSlow(LENGTHS_BYTES);
  let filled = 0;
  let headerBytes: number | null = null;
  return (chunk) => {
    for (let at = 0; at < chunk.length;) {
      const taken = Math.min(target.length - filled, chunk.length - at);
      target.set(chunk.subarray(at, at + taken), filled);
      filled += taken;
      at += taken;
      if (filled < target.length) return;
      filled = 0;
      if (headerBytes === null) {
        headerBytes = target.readUInt32LE(0);
        target = Buffer.allocUnsafeSlow(headerBytes + target.readUInt32LE(4));
        continue;
      }
      const { id, tensors } = readFrame(target, headerBytes);
      headerBytes = null;
      target = Buffer.allocUnsafeSlow(LENGTHS_BYTES);
      onFrame(id, tensors);
    }
  };
}

/** @param frame all of it behind its lengths, in memory of its own */
function readFrame(frame: Buffer, headerBytes: number): { readonly id: number; readonly tensors: readonly Tensor[] } {
  const header = JSON.parse(frame.toString("utf8", 0, headerBytes)) as FrameHeader;
  return {
    id: header.id,
    tensors: header.tensors.map((tensor) => readTensor(tensor, frame.buffer as ArrayBuffer, headerBytes)),
  };
}

function readTensor(tensor: FrameHeader["tensors"][number], buffer: ArrayBuffer, start: number): Tensor {
  const { name, datatype, shape } = tensor;
  if ("strings" in tensor) return { name, datatype, shape, data: tensor.strings };
  if (datatype === "BYTES") throw new TypeError(`tensor "${name}" has no strings`);
  return { name, datatype, shape, data: new (typedArrayOf(datatype))(buffer, start + tensor.from, tensor.count) };
}

export const isStrings = (data: TensorValues | readonly string[]): data is readonly string[] => Array.isArray(data);
