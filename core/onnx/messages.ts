/**
 * The messages of onnx.proto (ONNX 1.23.2, IR 14) that we read and edit: names in camelCase, lists in the plural, sizes as numbers.
 * What is not listed (sharding, annotations, metadata of nodes) travels along untouched in `unknown`.
 * Made by `node --import tsx docs/generate.ts`; `docs/onnx-schema.ts` has the names and what is left out.
 */
import type { Unknown } from "./wire.ts";

export interface KeyValue extends Unknown {
  key: string;
  value: string;
}

/** A constant. The data sits in `rawData` (little-endian) or, by type, in one of the lists; read it with `tensor.ts`. */
export interface Tensor extends Unknown {
  dims: number[];
  dataType: number;
  floatData: Float32Array;
  int32Data: Int32Array;
  stringData: Uint8Array[];
  int64Data: BigInt64Array;
  name: string;
  rawData?: Uint8Array;
  doubleData: Float64Array;
  uint64Data: BigUint64Array;
  docString: string;
  externalData: KeyValue[];
  dataLocation: number;
}

export interface SparseTensor extends Unknown {
  values?: Tensor;
  indices?: Tensor;
  dims: number[];
}

/** One axis: a size, a name (`batch`), or neither when nothing is known. */
export interface Dimension extends Unknown {
  value?: number;
  param?: string;
  denotation: string;
}

export interface Shape extends Unknown {
  dims: Dimension[];
}

export interface TensorType extends Unknown {
  elemType: number;
  shape?: Shape;
}

/** The type of a value: one of the fields is set. Only tensors are looked into; the others are kept as bytes. */
export interface ValueType extends Unknown {
  tensor?: TensorType;
  sequence?: Uint8Array;
  map?: Uint8Array;
  denotation: string;
  opaque?: Uint8Array;
  sparseTensor?: Uint8Array;
  optional?: Uint8Array;
}

export interface ValueInfo extends Unknown {
  name: string;
  type?: ValueType;
  docString: string;
}

export interface Attribute extends Unknown {
  name: string;
  float?: number;
  int?: bigint;
  string?: Uint8Array;
  tensor?: Tensor;
  graph?: Graph;
  floats: Float32Array;
  ints: BigInt64Array;
  strings: Uint8Array[];
  tensors: Tensor[];
  graphs: Graph[];
  docString: string;
  type: number;
  refAttrName: string;
  sparseTensor?: SparseTensor;
  sparseTensors: SparseTensor[];
}

export interface Node extends Unknown {
  inputs: string[];
  outputs: string[];
  name: string;
  opType: string;
  attributes: Attribute[];
  docString: string;
  domain: string;
}

export interface Graph extends Unknown {
  nodes: Node[];
  name: string;
  initializers: Tensor[];
  docString: string;
  inputs: ValueInfo[];
  outputs: ValueInfo[];
  valueInfos: ValueInfo[];
  sparseInitializers: SparseTensor[];
}

export interface OperatorSet extends Unknown {
  domain: string;
  version: number;
}

/** A function of the model itself: a composite operator under its own domain. */
export interface LocalFunction extends Unknown {
  name: string;
  nodes: Node[];
  opsetImports: OperatorSet[];
  domain: string;
}

export interface OnnxModel extends Unknown {
  irVersion: number;
  producerName: string;
  producerVersion: string;
  domain: string;
  modelVersion: number;
  docString: string;
  graph?: Graph;
  opsetImports: OperatorSet[];
  metadataProps: KeyValue[];
  trainingInfos: Uint8Array[];
  functions: LocalFunction[];
}
