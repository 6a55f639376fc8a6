import type { Tensor } from "../../contracts/data.ts";
import { bfloat16ToNumber, numberToBfloat16 } from "../../core/onnx/half.ts";
import { createNode } from "../../core/onnx/create.ts";
import { datatypeCode } from "../../core/onnx/datatypes.ts";
import type { ValueInfo } from "../../core/onnx/messages.ts";
import { parseModel, serializeModel } from "../../core/onnx/model.ts";
import { openGraph } from "../../core/onnx/rewrite.ts";

/** How ONNX Runtime's binding refuses BF16 at a model's border; within the graph it has it. */
export const NO_BFLOAT16_TENSORS = /Unsupported data type: 16/;

export interface WidenedModel {
  readonly model: Uint8Array;
  /** The FP32 name of each input and output that is BF16, by its own name. */
  readonly borders: ReadonlyMap<string, string>;
}

const BFLOAT16 = datatypeCode("BF16");
const SINGLE = datatypeCode("FP32");

/**
 * The same model with FP32 at its border in the place of BF16, of which every value is an FP32 value: nothing is rounded. The
 * border gets names of its own, so that what reads a value within the graph, subgraphs too, is left as it is.
 */
export function widenBfloat16(bytes: Uint8Array, where: string): WidenedModel {
  const model = parseModel(bytes, where);
  const opened = openGraph(model);
  const { graph } = opened;
  const borders = new Map<string, string>();
  const rename = (value: ValueInfo): string => {
    const border = opened.uniqueName(`${value.name}_single`);
    borders.set(value.name, border);
    value.name = border;
    if (value.type?.tensor) value.type.tensor.elemType = SINGLE;
    return border;
  };
  for (const input of graph.inputs.filter(isBfloat16)) {
    const { name } = input;
    graph.nodes.unshift(createNode("Cast", [rename(input)], [name], { to: BFLOAT16 }));
  }
  for (const output of graph.outputs.filter(isBfloat16)) {
    const { name } = output;
    graph.nodes.push(createNode("Cast", [name], [rename(output)], { to: SINGLE }));
  }
  return { model: serializeModel(model), borders };
}

/** A BF16 tensor as FP32. Exact. */
export function widenTensor(tensor: Tensor): Tensor {
  return { ...tensor, datatype: "FP32", data: Float32Array.from(tensor.data as Uint16Array, bfloat16ToNumber) };
}

/** And back; what was BF16 is so again, bit for bit. */
export function narrowTensor(tensor: Tensor): Tensor {
  return { ...tensor, datatype: "BF16", data: Uint16Array.from(tensor.data as Float32Array, numberToBfloat16) };
}

const isBfloat16 = ({ type }: ValueInfo): boolean => type?.tensor?.elemType === BFLOAT16;
