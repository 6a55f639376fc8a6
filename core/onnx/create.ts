/** Parts of a model made from plain values; `build.ts` puts them together, rewrites add single ones. */
import type { TensorValues } from "../../contracts/data.ts";
import type { TensorDatatype } from "../../contracts/signature.ts";
import { datatypeCode, elementBits } from "./datatypes.ts";
import type { Attribute, Dimension, Graph, Node, OnnxModel, Tensor, ValueInfo } from "./messages.ts";
import { MESSAGES } from "./schema.ts";
import { elementCount } from "./tensor-storage.ts";
import { emptyMessage } from "./wire.ts";

/** Newest opset and IR our ONNX Runtime, and the three years of runtimes before it, read without question. */
const DEFAULT_OPSET = 17;
const DEFAULT_IR_VERSION = 8;

/** ONNX's codes of attribute types. */
const ATTRIBUTE_TYPES = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
} as const;

/** A FLOAT attribute. A plain number means INT, a list of them INTS: `alpha: float(1)`, `axis: 1`, `scales: { floats: [1, 2] }`. */
export const float = (value: number): { readonly float: number } => ({ float: value });

export type AttributeValue =
  | number
  | bigint
  | string
  | readonly number[]
  | readonly string[]
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly tensor: Tensor }
  | { readonly graph: Graph };

function createAttribute(name: string, value: AttributeValue): Attribute {
  return { ...emptyMessage(MESSAGES.attribute), name, ...attributeFields(value) };
}

const utf8 = new TextEncoder();

function attributeFields(value: AttributeValue): Partial<Attribute> {
  if (typeof value === "number" || typeof value === "bigint") return { type: ATTRIBUTE_TYPES.int, int: BigInt(value) };
  if (typeof value === "string") return { type: ATTRIBUTE_TYPES.string, string: utf8.encode(value) };
  if ("float" in value) return { type: ATTRIBUTE_TYPES.float, float: value.float };
  if ("floats" in value) return { type: ATTRIBUTE_TYPES.floats, floats: Float32Array.from(value.floats) };
  if ("tensor" in value) return { type: ATTRIBUTE_TYPES.tensor, tensor: value.tensor };
  if ("graph" in value) return { type: ATTRIBUTE_TYPES.graph, graph: value.graph };
  if (value.every((element) => typeof element === "string") && value.length > 0) {
    return { type: ATTRIBUTE_TYPES.strings, strings: value.map((element) => utf8.encode(element)) };
  }
  return { type: ATTRIBUTE_TYPES.ints, ints: BigInt64Array.from(value as readonly number[], BigInt) };
}

/**
 * A node. Missing optional inputs are empty names.
 *
 * @throws RangeError when a number that should be an INT has a fraction: wrap it in `float`
 */
export function createNode(
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  options: { readonly name?: string; readonly domain?: string } = {},
): Node {
  return {
    ...emptyMessage(MESSAGES.node),
    opType,
    inputs: [...inputs],
    outputs: [...outputs],
    name: options.name ?? "",
    domain: options.domain ?? "",
    attributes: Object.entries(attributes).map(([name, value]) => createAttribute(name, value)),
  };
}

/** A tensor over the memory of `values`, in row-major order; FP16 as its bits. `[]` as dims makes a scalar. */
export function createTensor(
  name: string,
  datatype: Exclude<TensorDatatype, "BYTES">,
  dims: readonly number[],
  values: TensorValues,
): Tensor {
  const count = elementCount(dims);
  const code = datatypeCode(datatype);
  if (values.length !== count || values.BYTES_PER_ELEMENT * 8 !== elementBits(code)) {
    const found = `${values.length} elements of ${values.BYTES_PER_ELEMENT} bytes`;
    throw new TypeError(`tensor "${name}" of ${datatype} [${dims.join(", ")}] was given ${found}`);
  }
  const rawData = new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
  return { ...emptyMessage(MESSAGES.tensor), name, dataType: code, dims: [...dims], rawData };
}

/** A typed input or output; an axis is a size, a name for a size that varies, or -1 for one nothing is known of. */
export function createValueInfo(
  name: string,
  datatype: TensorDatatype,
  shape: readonly (number | string)[],
): ValueInfo {
  const dims = shape.map((size): Dimension => {
    if (typeof size === "string") return { param: size, denotation: "" };
    return size < 0 ? { denotation: "" } : { value: size, denotation: "" };
  });
  const type = { tensor: { elemType: datatypeCode(datatype), shape: { dims } }, denotation: "" };
  return { ...emptyMessage(MESSAGES.valueInfo), name, type };
}

export interface ModelIdentity {
  readonly producerName?: string;
  readonly producerVersion?: string;
  /** Version of the default operator set, 17 by default. */
  readonly opset?: number;
  readonly irVersion?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A model around a graph; parts of the graph that are left out are empty. Metadata is written sorted by key. */
export function createModel(graph: Partial<Graph>, identity: ModelIdentity = {}): OnnxModel {
  const metadata = Object.entries(identity.metadata ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...emptyMessage(MESSAGES.model),
    irVersion: identity.irVersion ?? DEFAULT_IR_VERSION,
    producerName: identity.producerName ?? "modelwright",
    producerVersion: identity.producerVersion ?? "",
    opsetImports: [{ domain: "", version: identity.opset ?? DEFAULT_OPSET }],
    metadataProps: metadata.map(([key, value]) => ({ key, value })),
    graph: { ...emptyMessage(MESSAGES.graph), ...graph },
  };
}
