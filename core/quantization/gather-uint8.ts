import { createNode, createTensor } from "../onnx/create.ts";
import type { OpenGraph } from "../onnx/rewrite.ts";
import { weightValues, type Plan } from "./plan.ts";
import { quantizeTable } from "./linear.ts";

/**
 * Lets a Gather look up uint8 rows and turns only those back into float, so that the table stays small in memory too. One
 * scale and zero point for the table, as ONNX Runtime's quantizer does it: DequantizeLinear has no scale per looked-up row.
 *
 * @returns a function that rewrites one node and says what became of its table
 */
export function createGatherRewrite(graph: OpenGraph): (plan: Plan) => string {
  const tables = new Map<string, readonly [quantized: string, scale: string, zeroPoint: string]>();

  const addTable = (plan: Plan) => {
    const { weightName, weight } = plan;
    const table = quantizeTable(weightValues(plan));
    return [
      graph.addConstant(createTensor(`${weightName}_quantized`, "UINT8", weight.dims, table.values)),
      graph.addConstant(createTensor(`${weightName}_scale`, "FP32", [], Float32Array.of(table.scale))),
      graph.addConstant(createTensor(`${weightName}_zero_point`, "UINT8", [], Uint8Array.of(table.zeroPoint))),
    ] as const;
  };
  return (plan) => {
    const { node, weight, weightName } = plan;
    const table = tables.get(weightName) ?? addTable(plan);
    tables.set(weightName, table);
    const [quantized, scale, zeroPoint] = table;
    const output = node.outputs[0]!;
    const rows = graph.uniqueName(`${output}_quantized`);
    graph.replace(node, [
      { ...node, inputs: [quantized, ...node.inputs.slice(1)], outputs: [rows] },
      createNode("DequantizeLinear", [rows, scale, zeroPoint], [output]),
    ]);
    return `table [${weight.dims.join(", ")}] as uint8, one scale`;
  };
}
