/**
 * Field numbers of onnx.proto (ONNX 1.23.2, IR 14) for the messages of `messages.ts`.
 * Made by `node --import tsx docs/generate.ts`; `docs/onnx-schema.ts` has the names and what is left out.
 */
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

const KEY_VALUE: Message<KeyValue> = defineMessage("StringStringEntryProto", {
  key: field.text(1),
  value: field.text(2),
});

const TENSOR: Message<Tensor> = defineMessage(
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

const SPARSE_TENSOR: Message<SparseTensor> = defineMessage("SparseTensorProto", {
  values: field.optionalMessage(1, () => TENSOR),
  indices: field.optionalMessage(2, () => TENSOR),
  dims: field.integers(3),
});

const DIMENSION: Message<Dimension> = defineMessage("TensorShapeProto.Dimension", {
  value: field.optionalInteger(1),
  param: field.optionalText(2),
  denotation: field.text(3),
});

const SHAPE: Message<Shape> = defineMessage("TensorShapeProto", {
  dims: field.messages(1, () => DIMENSION),
});

const TENSOR_TYPE: Message<TensorType> = defineMessage("TypeProto.Tensor", {
  elemType: field.integer(1),
  shape: field.optionalMessage(2, () => SHAPE),
});

const VALUE_TYPE: Message<ValueType> = defineMessage("TypeProto", {
  tensor: field.optionalMessage(1, () => TENSOR_TYPE),
  sequence: field.optionalBytes(4),
  map: field.optionalBytes(5),
  denotation: field.text(6),
  opaque: field.optionalBytes(7),
  sparseTensor: field.optionalBytes(8),
  optional: field.optionalBytes(9),
});

const VALUE_INFO: Message<ValueInfo> = defineMessage("ValueInfoProto", {
  name: field.text(1),
  type: field.optionalMessage(2, () => VALUE_TYPE),
  docString: field.text(3),
});

const ATTRIBUTE: Message<Attribute> = defineMessage("AttributeProto", {
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

const NODE: Message<Node> = defineMessage("NodeProto", {
  inputs: field.texts(1),
  outputs: field.texts(2),
  name: field.text(3),
  opType: field.text(4),
  attributes: field.messages(5, () => ATTRIBUTE),
  docString: field.text(6),
  domain: field.text(7),
});

const GRAPH: Message<Graph> = defineMessage("GraphProto", {
  nodes: field.messages(1, () => NODE),
  name: field.text(2),
  initializers: field.messages(5, () => TENSOR),
  docString: field.text(10),
  inputs: field.messages(11, () => VALUE_INFO),
  outputs: field.messages(12, () => VALUE_INFO),
  valueInfos: field.messages(13, () => VALUE_INFO),
  sparseInitializers: field.messages(15, () => SPARSE_TENSOR),
});

const OPERATOR_SET: Message<OperatorSet> = defineMessage("OperatorSetIdProto", {
  domain: field.writtenText(1),
  version: field.integer(2),
});

const LOCAL_FUNCTION: Message<LocalFunction> = defineMessage("FunctionProto", {
  name: field.text(1),
  nodes: field.messages(7, () => NODE),
  opsetImports: field.messages(9, () => OPERATOR_SET),
  domain: field.text(10),
});

const MODEL: Message<OnnxModel> = defineMessage("ModelProto", {
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
