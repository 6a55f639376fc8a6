/** Field numbers of onnx.proto for the messages of `messages.ts`. */
import type {
  Attribute,
  Dimension,
  Graph,
  KeyValue,
  LocalFunction,
  Node,
  OnnxModel,
  OperatorSet,
  Shape,
  SparseTensor,
  Tensor,
  TensorType,
  ValueInfo,
  ValueType,
} from "./messages.ts";
import { checkTensor } from "./tensor-storage.ts";
import * as wire from "./wire.ts";

const KEY_VALUE = wire.defineMessage<KeyValue>("StringStringEntryProto", { key: wire.text(1), value: wire.text(2) });

const TENSOR = wire.defineMessage<Tensor>(
  "TensorProto",
  {
    dims: wire.integers(1),
    dataType: wire.integer(2),
    floatData: wire.floats(4, true),
    int32Data: wire.int32s(5, true),
    stringData: wire.bytesList(6),
    int64Data: wire.int64s(7, true),
    name: wire.text(8),
    rawData: wire.optionalBytes(9),
    doubleData: wire.doubles(10, true),
    uint64Data: wire.uint64s(11, true),
    docString: wire.text(12),
    externalData: wire.messages(13, () => KEY_VALUE),
    dataLocation: wire.integer(14),
  },
  checkTensor,
);

const SPARSE_TENSOR = wire.defineMessage<SparseTensor>("SparseTensorProto", {
  values: wire.optionalMessage(1, () => TENSOR),
  indices: wire.optionalMessage(2, () => TENSOR),
  dims: wire.integers(3),
});

const DIMENSION = wire.defineMessage<Dimension>("TensorShapeProto.Dimension", {
  value: wire.optionalInteger(1),
  param: wire.optionalText(2),
  denotation: wire.text(3),
});

const SHAPE = wire.defineMessage<Shape>("TensorShapeProto", { dims: wire.messages(1, () => DIMENSION) });

const TENSOR_TYPE = wire.defineMessage<TensorType>("TypeProto.Tensor", {
  elemType: wire.integer(1),
  shape: wire.optionalMessage(2, () => SHAPE),
});

const VALUE_TYPE = wire.defineMessage<ValueType>("TypeProto", {
  tensor: wire.optionalMessage(1, () => TENSOR_TYPE),
  sequence: wire.optionalBytes(4),
  map: wire.optionalBytes(5),
  denotation: wire.text(6),
  opaque: wire.optionalBytes(7),
  sparseTensor: wire.optionalBytes(8),
  optional: wire.optionalBytes(9),
});

const VALUE_INFO = wire.defineMessage<ValueInfo>("ValueInfoProto", {
  name: wire.text(1),
  type: wire.optionalMessage(2, () => VALUE_TYPE),
  docString: wire.text(3),
});

const ATTRIBUTE: wire.Message<Attribute> = wire.defineMessage<Attribute>("AttributeProto", {
  name: wire.text(1),
  float: wire.optionalFloat(2),
  int: wire.optionalBigint(3),
  string: wire.optionalBytes(4),
  tensor: wire.optionalMessage(5, () => TENSOR),
  graph: wire.optionalMessage(6, () => GRAPH),
  floats: wire.floats(7, false),
  ints: wire.int64s(8, false),
  strings: wire.bytesList(9),
  tensors: wire.messages(10, () => TENSOR),
  graphs: wire.messages(11, () => GRAPH),
  docString: wire.text(13),
  type: wire.integer(20),
  refAttrName: wire.text(21),
  sparseTensor: wire.optionalMessage(22, () => SPARSE_TENSOR),
  sparseTensors: wire.messages(23, () => SPARSE_TENSOR),
});

const NODE = wire.defineMessage<Node>("NodeProto", {
  inputs: wire.texts(1),
  outputs: wire.texts(2),
  name: wire.text(3),
  opType: wire.text(4),
  attributes: wire.messages(5, () => ATTRIBUTE),
  docString: wire.text(6),
  domain: wire.text(7),
});

const GRAPH: wire.Message<Graph> = wire.defineMessage<Graph>("GraphProto", {
  nodes: wire.messages(1, () => NODE),
  name: wire.text(2),
  initializers: wire.messages(5, () => TENSOR),
  docString: wire.text(10),
  inputs: wire.messages(11, () => VALUE_INFO),
  outputs: wire.messages(12, () => VALUE_INFO),
  valueInfos: wire.messages(13, () => VALUE_INFO),
  sparseInitializers: wire.messages(15, () => SPARSE_TENSOR),
});

/** The default domain "" is written out, as every exporter does. */
const OPERATOR_SET = wire.defineMessage<OperatorSet>("OperatorSetIdProto", {
  domain: { ...wire.text(1), write: wire.optionalText(1).write },
  version: wire.integer(2),
});

const LOCAL_FUNCTION = wire.defineMessage<LocalFunction>("FunctionProto", {
  name: wire.text(1),
  nodes: wire.messages(7, () => NODE),
  domain: wire.text(10),
  opsetImports: wire.messages(9, () => OPERATOR_SET),
});

const MODEL = wire.defineMessage<OnnxModel>("ModelProto", {
  irVersion: wire.integer(1),
  producerName: wire.text(2),
  producerVersion: wire.text(3),
  domain: wire.text(4),
  modelVersion: wire.integer(5),
  docString: wire.text(6),
  graph: wire.optionalMessage(7, () => GRAPH),
  opsetImports: wire.messages(8, () => OPERATOR_SET),
  metadataProps: wire.messages(14, () => KEY_VALUE),
  trainingInfos: wire.bytesList(20),
  functions: wire.messages(25, () => LOCAL_FUNCTION),
});

export const MESSAGES = {
  tensor: TENSOR,
  valueInfo: VALUE_INFO,
  attribute: ATTRIBUTE,
  node: NODE,
  graph: GRAPH,
  model: MODEL,
};
