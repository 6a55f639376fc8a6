import { closeSync, mkdtempSync, openSync, rmSync, statSync, truncateSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  createFrameReader,
  readFrameSync,
  writeFrame,
  writeFrameSync,
  type TensorParts,
} from "../../../adapters/inference/tensor-frames.ts";
import type { Tensor } from "../../../contracts/data.ts";

/** The bytes that are written of frames, in the order of writing. */
function bytesOf(frames: readonly (readonly TensorParts[])[]): Buffer {
  const pieces: Uint8Array[] = [];
  const write = (piece: Uint8Array) => pieces.push(piece);
  const socket = { write, cork: () => undefined, uncork: () => undefined } as unknown as Socket;
  for (const [id, tensors] of frames.entries()) writeFrame(socket, id, tensors);
  return Buffer.concat(pieces);
}

function readAll(bytes: Buffer, chunkBytes: number): (readonly Tensor[])[] {
  const frames: (readonly Tensor[])[] = [];
  const read = createFrameReader((id, tensors) => {
    expect(id).toBe(frames.length);
    frames.push(tensors);
  });
  for (let at = 0; at < bytes.length; at += chunkBytes) read(bytes.subarray(at, at + chunkBytes));
  return frames;
}

const floats = fc.array(fc.float32Array({ maxLength: 9 }), { minLength: 1, maxLength: 3 }).map((parts) => ({
  name: "floats",
  datatype: "FP32" as const,
  shape: [parts.reduce((sum, { length }) => sum + length, 0)],
  parts,
}));
const wholes = fc.bigInt64Array({ maxLength: 5 }).map((values) => ({
  name: "wholes",
  datatype: "INT64" as const,
  shape: [values.length],
  parts: [values],
}));
const bytes = fc.uint8Array({ maxLength: 5 }).map((values) => ({
  name: "bytes",
  datatype: "UINT8" as const,
  shape: [values.length, 1],
  // A view into the middle of a larger memory, as a request's body is one.
  parts: [Uint8Array.from([9, ...values, 9]).subarray(1, 1 + values.length)],
}));
const words = fc.array(fc.string({ unit: "binary" }), { maxLength: 4 }).map((strings) => ({
  name: "words",
  datatype: "BYTES" as const,
  shape: [strings.length],
  parts: [strings, ["last"]],
}));

test("tensors arrive as they were sent, their parts joined, in whatever pieces the bytes come", () => {
  const frames = fc.array(fc.array(fc.oneof(floats, wholes, bytes, words), { maxLength: 4 }), { maxLength: 4 });
  const property = fc.property(frames, fc.integer({ min: 1, max: 200 }), (given, chunkBytes) => {
    const joined = given.map((tensors) =>
      tensors.map(({ parts, ...tensor }) => ({ ...tensor, values: parts.flatMap((part) => [...part]) })),
    );
    const received = readAll(bytesOf(given), chunkBytes).map((tensors) =>
      tensors.map(({ data, ...tensor }) => ({ ...tensor, values: [...data] })),
    );
    expect(received).toEqual(joined);
  });
  fc.assert(property);
});

test("as many strings as a body may hold arrive", () => {
  const strings = Array.from({ length: 300_000 }, (_, index) => String(index % 10));
  const [tensors] = readAll(
    bytesOf([[{ name: "words", datatype: "BYTES", shape: [300_000], parts: [strings] }]]),
    65_536,
  );
  expect(tensors?.[0]?.data).toEqual(strings);
});

test("large values are written as they lie in memory and not copied first", () => {
  const data = new Float32Array(100_000).fill(0.5);
  const pieces: Uint8Array[] = [];
  const write = (piece: Uint8Array) => pieces.push(piece);
  const socket = { write, cork: () => undefined, uncork: () => undefined } as unknown as Socket;
  writeFrame(socket, 0, [{ name: "x", datatype: "FP32", shape: [data.length], parts: [data] }]);
  expect(pieces.some(({ buffer }) => buffer === data.buffer)).toBe(true);
});

test("a process that waits for frames reads them as they were written, and nothing of one that was cut off", () => {
  const directory = mkdtempSync(join(tmpdir(), "modelwright-frames-"));
  const path = join(directory, "frames");
  const write = (tensors: readonly TensorParts[][]) => {
    const descriptor = openSync(path, "w");
    for (const [id, each] of tensors.entries()) writeFrameSync(descriptor, id, each);
    closeSync(descriptor);
  };
  const read = () => {
    const descriptor = openSync(path, "r");
    const found = [];
    for (let frame = readFrameSync(descriptor); frame; frame = readFrameSync(descriptor)) found.push(frame);
    closeSync(descriptor);
    return found;
  };
  try {
    const large = new Float32Array(100_000).fill(0.5);
    const given: TensorParts[][] = [
      [{ name: "x", datatype: "FP32", shape: [100_003], parts: [large, new Float32Array([1, 2, 3])] }],
      [{ name: "words", datatype: "BYTES", shape: [2], parts: [["a", "b"]] }],
    ];
    write(given);
    const [first, second] = read();
    expect(first?.tensors[0]?.data).toEqual(Float32Array.from([...large, 1, 2, 3]));
    expect(second).toEqual({ id: 1, tensors: [{ name: "words", datatype: "BYTES", shape: [2], data: ["a", "b"] }] });
    truncateSync(path, statSync(path).size - 1);
    expect(read()).toHaveLength(1);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
