import type { TensorDatatype } from "../../contracts/signature.ts";
import { datatypeOf, elementBits } from "./datatypes.ts";
import type { Tensor } from "./messages.ts";
import { MalformedMessage } from "./wire.ts";

/** `data_location` of a tensor whose data is in another file. */
export const EXTERNAL = 1;

/** The number of elements `dims` announce; 1 for a scalar. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((count, dim) => count * dim, 1);
}

/**
 * Checks that a tensor holds the elements its dims announce, so that nothing is ever allocated on the word of a file.
 * Data in another file is not looked at here; `inspectModel` refuses it.
 */
export function checkTensor(tensor: Tensor): void {
  const say = (problem: string) => new MalformedMessage(`tensor "${tensor.name}" ${problem}`);
  if (tensor.dims.some((dim) => dim < 0)) throw say(`has the shape [${tensor.dims.join(", ")}]`);
  const count = elementCount(tensor.dims);
  if (!Number.isSafeInteger(count)) throw say(`announces ${count} elements`);
  const bits = elementBits(tensor.dataType);
  if (bits === undefined) throw say(`has the unknown data type ${tensor.dataType}`);
  if (tensor.dataLocation === EXTERNAL) return;
  if (tensor.rawData !== undefined && bits > 0) {
    const bytes = Math.ceil((count * bits) / 8);
    if (tensor.rawData.length !== bytes) throw say(`has ${tensor.rawData.length} bytes, its shape takes ${bytes}`);
    return;
  }
  // Types below 8 bits and complex ones pack several per list entry, or one in several; nothing of ours reads their lists.
  const name = datatypeOf(tensor.dataType);
  if (name === undefined) return;
  const found = listOf(tensor).length;
  if (found !== count) throw say(`has ${found} elements, its shape takes ${count}`);
}

type ListField = "floatData" | "int32Data" | "int64Data" | "doubleData" | "uint64Data" | "stringData";

/** Types with a list of their own; all narrower ones are widened into `int32Data`. */
const LISTS: Partial<Record<TensorDatatype, ListField>> = {
  FP32: "floatData",
  FP64: "doubleData",
  INT64: "int64Data",
  UINT64: "uint64Data",
  UINT32: "uint64Data",
  BYTES: "stringData",
};

/** The typed list a tensor's elements are in when there is no `raw_data`. */
export function listOf(tensor: Tensor): Tensor[ListField] {
  const datatype = datatypeOf(tensor.dataType);
  return tensor[(datatype && LISTS[datatype]) ?? "int32Data"];
}
