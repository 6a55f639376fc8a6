import { createNode } from "../onnx/create.ts";
import { parseModel, type Node, type OnnxModel, type ValueInfo } from "../onnx/model.ts";
import { openGraph } from "../onnx/rewrite.ts";
import { MESSAGES } from "../onnx/schema.ts";
import { emptyMessage } from "../onnx/wire.ts";

export interface ObservedModel {
  readonly model: OnnxModel;
  /** The added outputs, value by value in the order asked for: minimum and maximum as scalars, or the value itself. */
  readonly outputs: readonly (readonly string[])[];
}

/**
 * A model with outputs added for values inside it: their smallest and largest element over the batch, reduced in the graph so that
 * nothing else leaves the runtime, or all their elements.
 *
 * @param values names of values of the main graph; of numbers where their range is asked for
 */
export function observeValues(
  bytes: Uint8Array,
  values: readonly string[],
  what: "range" | "elements",
  where: string,
): ObservedModel {
  const model = parseModel(bytes, where);
  const open = openGraph(model);
  const observe = (operator: string, value: string, attributes: Readonly<Record<string, number>> = {}): string => {
    const output = open.uniqueName(`${value}_${operator}`);
    const node: Node = createNode(operator, [value], [output], attributes, {
      name: open.uniqueName(`${output}_observer`),
    });
    open.graph.nodes.push(node);
    // A name alone: the runtime infers type and shape, and would refuse wrong ones.
    const info: ValueInfo = { ...emptyMessage(MESSAGES.valueInfo), name: output };
    open.graph.outputs.push(info);
    return output;
  };
  const outputs = values.map((value) =>
    what === "elements"
      ? [observe("Identity", value)]
      : [observe("ReduceMin", value, { keepdims: 0 }), observe("ReduceMax", value, { keepdims: 0 })],
  );
  return { model, outputs };
}
