import { Failure } from "../../contracts/failures.ts";
import type { ModelFacts, TensorOutput } from "../../contracts/signature.ts";
import { datatypeOf } from "./datatypes.ts";
import { parseModel, type Dimension, type OnnxModel, type ValueInfo } from "./model.ts";
import { isExternal } from "./external-data.ts";
import { countNodes, RecursiveFunction } from "./node-count.ts";
import { elementCount } from "./tensor-storage.ts";
import { allNodes, allTensors } from "./walk.ts";

export interface ModelLimits {
  readonly maximumBytes: number;
  /** Nodes with those of subgraphs, and of the model's own functions each time they are called. */
  readonly maximumNodes: number;
}

/** What one Protocol Buffers message can be, and one read of Node's. */
const DEFAULT_MODEL_LIMITS: ModelLimits = { maximumBytes: 2 ** 31 - 1, maximumNodes: 10_000 };

/** What ONNX Runtime has built in; any other domain would need a library loaded into the process. */
const ALLOWED_DOMAINS: readonly string[] = ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"];

/** Built-in operators that reach outside the model: EPContext opens a file named in the model, the others run Python. */
const FORBIDDEN_OPERATORS: readonly string[] = [
  "com.microsoft:EPContext",
  "com.microsoft:PythonOp",
  "com.microsoft:PythonOpGrad",
];

/**
 * Reads what a model file says of itself and refuses what may not be loaded: too large, too many nodes, data in other files,
 * custom operators, inputs or outputs that are no tensors. Nothing of the model is run.
 *
 * @param where the file or artifact, for the failure
 * @throws Failure MODEL_NOT_ONNX when the bytes are no ONNX model; MODEL_REFUSED when it is one that may not be loaded
 */
export function inspectModel(bytes: Uint8Array, where: string, limits: Partial<ModelLimits> = {}): ModelFacts {
  const { maximumBytes, maximumNodes } = { ...DEFAULT_MODEL_LIMITS, ...limits };
  const refuse = (found: string, allowed: string) => new Failure("MODEL_REFUSED", { where, found, allowed });
  refuseSize(bytes.length, where, maximumBytes);
  const model = parseModel(bytes, where);
  const graph = model.graph!;
  const nodes = [...allNodes(graph.nodes), ...model.functions.flatMap((own) => [...allNodes(own.nodes)])];
  const tensors = allTensors(model);

  const nodeCount = boundedNodeCount(model, refuse);
  if (nodeCount > maximumNodes) throw refuse(`${nodeCount} nodes`, `at most ${maximumNodes} nodes`);
  if (model.trainingInfos.length > 0) throw refuse("training graphs inside", "an inference model");
  const external = tensors.find(isExternal);
  if (external) throw refuse(`tensor "${external.name}" has its data in another file`, "a model in one file");

  const operators = [...new Set(nodes.map(({ domain, opType }) => operatorName(domain, opType)))].toSorted();
  const domains = new Set([...ALLOWED_DOMAINS, ...model.functions.map((own) => own.domain)]);
  const custom = nodes.find((node) => !domains.has(node.domain));
  if (custom) {
    throw refuse(
      `custom operator ${operatorName(custom.domain, custom.opType)}`,
      `operators of ${ALLOWED_DOMAINS.slice(1).join(", ")}`,
    );
  }
  const forbidden = operators.find((operator) => FORBIDDEN_OPERATORS.includes(operator));
  if (forbidden) throw refuse(`operator ${forbidden}, which reaches outside the model`, "operators that only compute");

  const constants = new Set(graph.initializers.map((tensor) => tensor.name));
  const describe = (kind: string) => (value: ValueInfo) => describeValue(value, kind, refuse);
  const inputs = graph.inputs.filter((input) => !constants.has(input.name)).map(describe("input"));
  const outputs = graph.outputs.map(describe("output"));
  if (inputs.length === 0 || outputs.length === 0) {
    throw refuse(`${inputs.length} inputs and ${outputs.length} outputs`, "at least one of each");
  }
  return {
    inputs,
    outputs,
    opset: model.opsetImports.find(({ domain }) => domain === "" || domain === "ai.onnx")?.version ?? 0,
    nodeCount,
    operators,
    parameterCount: tensors.reduce((count, tensor) => count + elementCount(tensor.dims), 0),
    sizeBytes: bytes.length,
  };
}

/** @throws MODEL_REFUSED for a file that is larger than allowed; so that it need not be read to know */
export function refuseSize(sizeBytes: number, where: string, maximumBytes = DEFAULT_MODEL_LIMITS.maximumBytes): void {
  if (sizeBytes <= maximumBytes) return;
  const why = maximumBytes === DEFAULT_MODEL_LIMITS.maximumBytes ? ", the most that fits one ONNX file" : "";
  const [found, allowed] = [`${sizeBytes} bytes`, `at most ${maximumBytes} bytes${why}`];
  throw new Failure("MODEL_REFUSED", { where, found, allowed });
}

type Refuse = (found: string, allowed: string) => Failure;

function boundedNodeCount(model: OnnxModel, refuse: Refuse): number {
  try {
    return countNodes(model);
  } catch (cause) {
    if (cause instanceof RecursiveFunction) throw refuse(cause.message, "functions that end");
    throw cause;
  }
}

function operatorName(domain: string, opType: string): string {
  return domain === "" || domain === "ai.onnx" ? opType : `${domain}:${opType}`;
}

function describeValue(value: ValueInfo, kind: string, refuse: Refuse): TensorOutput {
  const tensor = value.type?.tensor;
  const named = `${kind} "${value.name}"`;
  if (tensor === undefined) {
    throw refuse(`${named} is no tensor`, "tensors; for a scikit-learn classifier export with zipmap=False");
  }
  const datatype = datatypeOf(tensor.elemType);
  if (datatype === undefined) throw refuse(`${named} has element type ${tensor.elemType}`, "types a client can send");
  const dims = tensor.shape?.dims ?? [];
  if (dims.length === 0) throw refuse(`${named} has no shape`, "a shape whose first axis is the batch");
  return { name: value.name, datatype, shape: dims.map(axisSize) };
}

/** -1 for an axis that is named, unknown, or (some exporters) negative. */
function axisSize({ value }: Dimension): number {
  return value === undefined || value < 0 ? -1 : value;
}
