import type { Tensor } from "../../contracts/data.ts";
import type { ModelSignature } from "../../contracts/signature.ts";
import { isStrings, type TensorParts } from "./tensor-frames.ts";

/** True when rows of several requests may run as one: every input and output has an open first axis. */
export function isBatchable(signature: ModelSignature): boolean {
  return [...signature.inputs, ...signature.outputs].every(({ shape }) => shape[0] === -1);
}

/** Rows of a request: the first axis of its first tensor, or 1 for a model without an open batch axis. */
export function countRows(tensors: readonly Tensor[], batchable: boolean): number {
  return batchable ? (tensors[0]?.shape[0] ?? 0) : 1;
}

/** True when two requests differ in nothing but their number of rows. Tensors are in the order of the signature. */
export function canJoin(a: readonly Tensor[], b: readonly Tensor[]): boolean {
  return (
    a.length === b.length &&
    a.every((tensor, index) => {
      const other = b[index]!;
      return (
        tensor.name === other.name &&
        tensor.datatype === other.datatype &&
        tensor.shape.length === other.shape.length &&
        tensor.shape.every((size, axis) => axis === 0 || size === other.shape[axis])
      );
    })
  );
}

/** The requests' rows one after another along the first axis. */
export function joinTensors(requests: readonly (readonly Tensor[])[]): readonly TensorParts[] {
  const first = requests[0]!;
  return first.map(({ name, datatype, shape }, index) => {
    const tensors = requests.map((request) => request[index]!);
    const parts = tensors.map(({ data }) => data);
    if (parts.length === 1) return { name, datatype, shape, parts };
    const rowCount = tensors.reduce((sum, tensor) => sum + tensor.shape[0]!, 0);
    return { name, datatype, shape: [rowCount, ...shape.slice(1)], parts };
  });
}

/**
 * The outputs of joined requests, cut apart again.
 *
 * @returns one list a request, or null when an output's first axis is not the rows that went in: such a model mixes rows and
 *   must not be batched
 */
export function splitTensors(outputs: readonly Tensor[], rowCounts: readonly number[]): (readonly Tensor[])[] | null {
  if (rowCounts.length === 1) return [outputs];
  const total = rowCounts.reduce((sum, count) => sum + count, 0);
  if (outputs.some(({ shape }) => shape[0] !== total)) return null;
  let start = 0;
  return rowCounts.map((count) => {
    const from = start;
    start += count;
    return outputs.map((tensor) => {
      const rowSize = tensor.data.length / total;
      const [low, high] = [from * rowSize, (from + count) * rowSize];
      const data = isStrings(tensor.data) ? tensor.data.slice(low, high) : tensor.data.subarray(low, high);
      return { ...tensor, shape: [count, ...tensor.shape.slice(1)], data };
    });
  });
}
