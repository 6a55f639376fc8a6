import { readFileSync } from "node:fs";
import { z } from "zod";

/** What `test/fixtures/onnx/fields.py` took from the descriptor in ONNX's own package. */
const descriptorSchema = z.object({
  onnx: z.string(),
  irVersion: z.number(),
  messages: z.record(
    z.string(),
    z.array(
      z.object({
        number: z.number(),
        name: z.string(),
        /** Of a scalar, or the message's name. */
        type: z.string(),
        repeated: z.boolean(),
        packed: z.boolean(),
        oneof: z.string().nullable(),
      }),
    ),
  ),
});
const descriptor = descriptorSchema.parse(
  JSON.parse(readFileSync(new URL("../test/fixtures/onnx/fields.json", import.meta.url), "utf8")),
);
type OfficialField = (typeof descriptor.messages)[string][number];

/** Our names of the messages, which those of onnx.proto repeat the word Proto in, and what is worth saying of them. */
const NAMES: Readonly<Record<string, { readonly as: string; readonly doc?: string; readonly check?: string }>> = {
  StringStringEntryProto: { as: "KeyValue" },
  TensorProto: {
    as: "Tensor",
    doc: "A constant. The data sits in `rawData` (little-endian) or, by type, in one of the lists; read it with `tensor.ts`.",
    check: "checkTensor",
  },
  SparseTensorProto: { as: "SparseTensor" },
  "TensorShapeProto.Dimension": {
    as: "Dimension",
    doc: "One axis: a size, a name (`batch`), or neither when nothing is known.",
  },
  TensorShapeProto: { as: "Shape" },
  "TypeProto.Tensor": { as: "TensorType" },
  TypeProto: {
    as: "ValueType",
    doc: "The type of a value: one of the fields is set. Only tensors are looked into; the others are kept as bytes.",
  },
  ValueInfoProto: { as: "ValueInfo" },
  AttributeProto: { as: "Attribute" },
  NodeProto: { as: "Node" },
  GraphProto: { as: "Graph" },
  OperatorSetIdProto: { as: "OperatorSet" },
  FunctionProto: {
    as: "LocalFunction",
    doc: "A function of the model itself: a composite operator under its own domain.",
  },
  ModelProto: { as: "OnnxModel" },
};

const NOT_OURS = "written by an exporter's tools for themselves; a list more in every part would be memory for nothing";
const DEVICES = "says which device computes what; there is one here";
const COMPOSITE = "a function is looked through for what it computes, and not changed";

/** What is not looked into and travels along in `unknown`, and why. */
export const LEFT_UNKNOWN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  TensorProto: { segment: "a tensor in several pieces, which no runtime reads", metadata_props: NOT_OURS },
  ValueInfoProto: { metadata_props: NOT_OURS },
  AttributeProto: { tp: "a type as a value: no operator we rewrite has one", type_protos: "as tp" },
  NodeProto: {
    overload: "names one of several functions of one name",
    metadata_props: NOT_OURS,
    device_configurations: DEVICES,
  },
  GraphProto: { quantization_annotation: "of quantizers that store no integers", metadata_props: NOT_OURS },
  FunctionProto: {
    input: COMPOSITE,
    output: COMPOSITE,
    attribute: COMPOSITE,
    attribute_proto: COMPOSITE,
    doc_string: COMPOSITE,
    overload: COMPOSITE,
    value_info: COMPOSITE,
    metadata_props: NOT_OURS,
  },
  ModelProto: { configuration: DEVICES },
};

/** Properties that are not the field's name in camelCase, in the plural for a list. */
const RENAMED: Readonly<Record<string, string>> = {
  "TensorShapeProto.Dimension.dim_value": "value",
  "TensorShapeProto.Dimension.dim_param": "param",
  "TypeProto.tensor_type": "tensor",
  "TypeProto.sequence_type": "sequence",
  "TypeProto.map_type": "map",
  "TypeProto.opaque_type": "opaque",
  "TypeProto.sparse_tensor_type": "sparseTensor",
  "TypeProto.optional_type": "optional",
  "AttributeProto.f": "float",
  "AttributeProto.i": "int",
  "AttributeProto.s": "string",
  "AttributeProto.t": "tensor",
  "AttributeProto.g": "graph",
};

interface Kind {
  /** The type in memory; undefined is possible where the property is optional. */
  readonly type: string;
  readonly isOptional?: boolean;
  /** The field of `wire-fields.ts` or `wire-number-lists.ts`. */
  readonly field: (number: number, packed: boolean) => string;
}
const kind = (type: string, field: string): Kind => ({ type, field: (number) => `field.${field}(${number})` });
const optional = (type: string, field: string): Kind => ({ ...kind(type, field), isOptional: true });
const list = (type: string, name: string): Kind => ({
  type,
  field: (number, packed) => `list.${name}(${number}, ${packed})`,
});

/** Fields that are kept otherwise than their type is, and why. */
const KEPT: Readonly<Record<string, Kind>> = {
  // Sizes, which fit a number, are asked for everywhere; a tensor's 64-bit data stays 64-bit.
  "TensorProto.dims": kind("number[]", "integers"),
  "SparseTensorProto.dims": kind("number[]", "integers"),
  // INT64_MAX is common there: the end of a Slice.
  "AttributeProto.i": optional("bigint", "optionalBigint"),
  // The default domain "" is written out, as every exporter does.
  "OperatorSetIdProto.domain": kind("string", "writtenText"),
};

const SINGLE: Readonly<Record<string, Kind>> = {
  string: kind("string", "text"),
  bytes: optional("Uint8Array", "optionalBytes"),
  float: optional("number", "optionalFloat"),
  int32: kind("number", "integer"),
  int64: kind("number", "integer"),
  enum: kind("number", "integer"),
};

/** Of these one at most is set: absence says something. */
const ONE_OF: Readonly<Record<string, Kind>> = {
  string: optional("string", "optionalText"),
  int64: optional("number", "optionalInteger"),
};

const REPEATED: Readonly<Record<string, Kind>> = {
  string: kind("string[]", "texts"),
  bytes: kind("Uint8Array[]", "bytesList"),
  float: list("Float32Array", "floats"),
  double: list("Float64Array", "doubles"),
  int32: list("Int32Array", "int32s"),
  int64: list("BigInt64Array", "int64s"),
  uint64: list("BigUint64Array", "uint64s"),
};

/** How a field is kept. A message that has no name here is kept as its bytes. */
function kindOf(message: string, { name, type, repeated, oneof }: OfficialField): Kind {
  const kept = KEPT[`${message}.${name}`];
  if (kept !== undefined) return kept;
  if (descriptor.messages[type] !== undefined) {
    const field = repeated ? "messages" : "optionalMessage";
    const target = nameOf(type).as;
    return {
      type: repeated ? `${target}[]` : target,
      isOptional: !repeated,
      field: (number) => `field.${field}(${number}, () => ${constantOf(target)})`,
    };
  }
  const kinds = repeated ? REPEATED : oneof === null ? SINGLE : { ...SINGLE, ...ONE_OF };
  const isMessage = /^[A-Z]/.test(type);
  const found = kinds[isMessage ? "bytes" : type];
  if (found === undefined) throw new TypeError(`${message}.${name}: no kind of field for ${type}`);
  return found;
}

function nameOf(message: string) {
  const name = NAMES[message];
  if (name === undefined) throw new TypeError(`${message} has no name in docs/onnx-schema.ts`);
  return name;
}

/** KEY_VALUE of KeyValue, and MODEL of OnnxModel. */
const constantOf = (name: string): string =>
  name
    .replace(/^Onnx/, "")
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_")
    .toUpperCase();

const camelCase = (words: string): string => words.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

function propertyOf(message: string, { name, repeated }: OfficialField): string {
  const plural = repeated && !/(?:s|data)$/.test(name) ? "s" : "";
  return RENAMED[`${message}.${name}`] ?? `${camelCase(name)}${plural}`;
}

const shapes = Object.entries(descriptor.messages).map(([message, official]) => {
  const left = Object.keys(LEFT_UNKNOWN[message] ?? {});
  const gone = left.filter((name) => !official.some((field) => field.name === name));
  if (gone.length > 0) throw new TypeError(`${message} has no ${gone.join(", ")} to leave unknown`);
  const fields = official
    .filter(({ name }) => !left.includes(name))
    .map((field) => ({ ...field, property: propertyOf(message, field), kind: kindOf(message, field) }));
  return { message, ...nameOf(message), fields };
});

const SOURCE = `onnx.proto (ONNX ${descriptor.onnx}, IR ${descriptor.irVersion})`;
const MADE = "Made by `node --import tsx docs/generate.ts`; `docs/onnx-schema.ts` has the names and what is left out.";

/** `core/onnx/messages.ts`: the types. */
export function writeOnnxMessages(): string {
  const interfaces = shapes.map(({ as, doc, fields }) => [
    ...(doc === undefined ? [] : [`/** ${doc} */`]),
    `export interface ${as} extends Unknown {`,
    ...fields.map(({ property, kind: { type, isOptional } }) => `  ${property}${isOptional ? "?" : ""}: ${type};`),
    "}",
  ]);
  return [
    "/**",
    ` * The messages of ${SOURCE} that we read and edit: names in camelCase, lists in the plural, sizes as numbers.`,
    " * What is not listed (sharding, annotations, metadata of nodes) travels along untouched in `unknown`.",
    ` * ${MADE}`,
    " */",
    'import type { Unknown } from "./wire.ts";',
    ...interfaces.flatMap((lines) => ["", ...lines]),
    "",
  ].join("\n");
}

/** `core/onnx/schema.ts`: how each message is on the wire. */
export function writeOnnxSchema(): string {
  const tables = shapes.map(({ message, as, check, fields }) => {
    const lines = fields.map(
      ({ property, number, packed, kind: { field } }) => `${property}: ${field(number, packed)},`,
    );
    const declared = `const ${constantOf(as)}: Message<${as}> = defineMessage(`;
    return check === undefined
      ? [`${declared}"${message}", {`, ...lines.map((line) => `  ${line}`), "});"]
      : [declared, `  "${message}",`, "  {", ...lines.map((line) => `    ${line}`), "  },", `  ${check},`, ");"];
  });
  const types = shapes.map(({ as }) => as).toSorted();
  const constants = shapes.map(({ as }) => constantOf(as));
  const keys = constants.map((constant) => `  ${camelCase(constant.toLowerCase())}: ${constant},`);
  return [
    "/**",
    ` * Field numbers of ${SOURCE} for the messages of \`messages.ts\`.`,
    ` * ${MADE}`,
    " */",
    "import type {",
    ...types.map((type) => `  ${type},`),
    '} from "./messages.ts";',
    'import { checkTensor } from "./tensor-storage.ts";',
    'import { defineMessage, type Message } from "./wire.ts";',
    'import * as field from "./wire-fields.ts";',
    'import * as list from "./wire-number-lists.ts";',
    ...tables.flatMap((lines) => ["", ...lines]),
    "",
    "export const MESSAGES = {",
    ...keys,
    "};",
    "",
  ].join("\n");
}
