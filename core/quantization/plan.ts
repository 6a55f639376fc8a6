import type { Node, Tensor } from "../onnx/model.ts";

/** A node that can be quantized and the constant it reads. */
export interface Plan {
  readonly node: Node;
  readonly weightName: string;
  readonly weight: Tensor;
  readonly values: Float32Array;
  /** Nodes sharing a weight must agree in this, as it decides the quantized form. */
  readonly form: "columns" | "transposed-columns" | "table";
}
