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

/** Writes the tensors of one run. */
export function writeFrame(socket: Socket, id: number, tensors: readonly TensorParts[]): void {
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
  if (valueBytes <= COPIED_BYTES) {
    socket.write(Buffer.concat([head, ...values]));
    return;
  }
  socket.cork();
  for (const piece of [head, ...values]) socket.write(piece);
  socket.uncork();
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
      const header = JSON.parse(target.toString("utf8", 0, headerBytes)) as FrameHeader;
      const { buffer } = target;
      const start = headerBytes;
      headerBytes = null;
      target = Buffer.allocUnsafeSlow(LENGTHS_BYTES);
      onFrame(
        header.id,
        header.tensors.map((tensor) => readTensor(tensor, buffer, start)),
      );
    }
  };
}

function readTensor(tensor: FrameHeader["tensors"][number], buffer: ArrayBuffer, start: number): Tensor {
  const { name, datatype, shape } = tensor;
  if ("strings" in tensor) return { name, datatype, shape, data: tensor.strings };
  if (datatype === "BYTES") throw new TypeError(`tensor "${name}" has no strings`);
  return { name, datatype, shape, data: new (typedArrayOf(datatype))(buffer, start + tensor.from, tensor.count) };
}

export const isStrings = (data: TensorValues | readonly string[]): data is readonly string[] => Array.isArray(data);
