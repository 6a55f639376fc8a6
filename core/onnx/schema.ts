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
import { defineMessage, type Message } from "./wire.ts";
import * as field from "./wire-fields.ts";
import * as list from "./wire-number-lists.ts";

const KEY_VALUE = defineMessage<KeyValue>("StringStringEntryProto", { key: field.text(1), value: field.text(2) });

const TENSOR = defineMessage<Tensor>(
  "TensorProto",
  {
    dims: field.integers(1),
    dataType: field.integer(2),
    floatData: list.floats(4, true),
    int32Data: list.int32s(5, true),
    stringData: field.bytesList(6),
    int64Data: list.int64s(7, true),
    name: field.text(8),
    rawData: field.optionalBytes(9),
    doubleData: list.doubles(10, true),
    uint64Data: list.uint64s(11, true),
    docString: field.text(12),
    externalData: field.messages(13, () => KEY_VALUE),
    dataLocation: field.integer(14),
  },
  checkTensor,
);

const SPARSE_TENSOR = defineMessage<SparseTensor>("SparseTensorProto", {
  values: field.optionalMessage(1, () => TENSOR),
  indices: field.optionalMessage(2, () => TENSOR),
  dims: field.integers(3),
});

const DIMENSION = defineMessage<Dimension>("TensorShapeProto.Dimension", {
  value: field.optionalInteger(1),
  param: field.optionalText(2),
  denotation: field.text(3),
});

const SHAPE = defineMessage<Shape>("TensorShapeProto", { dims: field.messages(1, () => DIMENSION) });

const TENSOR_TYPE = defineMessage<TensorType>("TypeProto.Tensor", {
  elemType: field.integer(1),
  shape: field.optionalMessage(2, () => SHAPE),
});

const VALUE_TYPE = defineMessage<ValueType>("TypeProto", {
  tensor: field.optionalMessage(1, () => TENSOR_TYPE),
  sequence: field.optionalBytes(4),
  map: field.optionalBytes(5),
  denotation: field.text(6),
  opaque: field.optionalBytes(7),
  sparseTensor: field.optionalBytes(8),
  optional: field.optionalBytes(9),
});

const VALUE_INFO = defineMessage<ValueInfo>("ValueInfoProto", {
  name: field.text(1),
  type: field.optionalMessage(2, () => VALUE_TYPE),
  docString: field.text(3),
});

const ATTRIBUTE: Message<Attribute> = defineMessage<Attribute>("AttributeProto", {
  name: field.text(1),
  float: field.optionalFloat(2),
  int: field.optionalBigint(3),
  string: field.optionalBytes(4),
  tensor: field.optionalMessage(5, () => TENSOR),
  graph: field.optionalMessage(6, () => GRAPH),
  floats: list.floats(7, false),
  ints: list.int64s(8, false),
  strings: field.bytesList(9),
  tensors: field.messages(10, () => TENSOR),
  graphs: field.messages(11, () => GRAPH),
  docString: field.text(13),
  type: field.integer(20),
  refAttrName: field.text(21),
  sparseTensor: field.optionalMessage(22, () => SPARSE_TENSOR),
  sparseTensors: field.messages(23, () => SPARSE_TENSOR),
});

const NODE = defineMessage<Node>("NodeProto", {
  inputs: field.texts(1),
  outputs: field.texts(2),
  name: field.text(3),
  opType: field.text(4),
  attributes: field.messages(5, () => ATTRIBUTE),
  docString: field.text(6),
  domain: field.text(7),
});

const GRAPH: Message<Graph> = defineMessage<Graph>("GraphProto", {
  nodes: field.messages(1, () => NODE),
  name: field.text(2),
  initializers: field.messages(5, () => TENSOR),
  docString: field.text(10),
  inputs: field.messages(11, () => VALUE_INFO),
  outputs: field.messages(12, () => VALUE_INFO),
  valueInfos: field.messages(13, () => VALUE_INFO),
  sparseInitializers: field.messages(15, () => SPARSE_TENSOR),
});

/** The default domain "" is written out, as every exporter does. */
const OPERATOR_SET = defineMessage<OperatorSet>("OperatorSetIdProto", {
  domain: { ...field.text(1), write: field.optionalText(1).write },
  version: field.integer(2),
});

const LOCAL_FUNCTION = defineMessage<LocalFunction>("FunctionProto", {
  name: field.text(1),
  nodes: field.messages(7, () => NODE),
  domain: field.text(10),
  opsetImports: field.messages(9, () => OPERATOR_SET),
});

const MODEL = defineMessage<OnnxModel>("ModelProto", {
  irVersion: field.integer(1),
  producerName: field.text(2),
  producerVersion: field.text(3),
  domain: field.text(4),
  modelVersion: field.integer(5),
  docString: field.text(6),
  graph: field.optionalMessage(7, () => GRAPH),
  opsetImports: field.messages(8, () => OPERATOR_SET),
  metadataProps: field.messages(14, () => KEY_VALUE),
  trainingInfos: field.bytesList(20),
  functions: field.messages(25, () => LOCAL_FUNCTION),
});

export const MESSAGES = {
  keyValue: KEY_VALUE,
  tensor: TENSOR,
  sparseTensor: SPARSE_TENSOR,
  dimension: DIMENSION,
  shape: SHAPE,
  tensorType: TENSOR_TYPE,
  valueType: VALUE_TYPE,
  valueInfo: VALUE_INFO,
  attribute: ATTRIBUTE,
  node: NODE,
  graph: GRAPH,
  operatorSet: OPERATOR_SET,
  localFunction: LOCAL_FUNCTION,
  model: MODEL,
};
