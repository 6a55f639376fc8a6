import { z } from "zod";

/** Datatypes of the Open Inference Protocol. */
export const TENSOR_DATATYPES = [
  "BOOL",
  "UINT8",
  "UINT16",
  "UINT32",
  "UINT64",
  "INT8",
  "INT16",
  "INT32",
  "INT64",
  "FP16",
  "BF16",
  "FP32",
  "FP64",
  "BYTES",
] as const;
export type TensorDatatype = (typeof TENSOR_DATATYPES)[number];
export const datatypeSchema = z.enum(TENSOR_DATATYPES);

/** One column of raw data and how its values become numbers in a tensor; everything in it was fixed at training. */
export const featureSchema = z.discriminatedUnion("kind", [
  /** The tensor holds (value - mean) / deviation. */
  z.strictObject({
    kind: z.literal("number"),
    column: z.string().min(1),
    mean: z.number().default(0),
    deviation: z.number().positive().default(1),
    /** Raw value that stands for a null, or refuse the row's batch. */
    missing: z.union([z.number(), z.literal("refuse")]).default("refuse"),
  }),
  /** The tensor holds the value's index in the vocabulary. */
  z.strictObject({
    kind: z.literal("category"),
    column: z.string().min(1),
    vocabulary: z.array(z.string()).min(1),
    /** Index that stands for a value outside the vocabulary, or refuse. */
    unknown: z.union([z.int().min(0), z.literal("refuse")]).default("refuse"),
    missing: z.union([z.int().min(0), z.literal("refuse")]).default("refuse"),
  }),
  /** The column already holds tensors (nested lists); passed through unchanged. */
  z.strictObject({ kind: z.literal("tensor"), column: z.string().min(1) }),
]);
export type Feature = z.output<typeof featureSchema>;

/** One input of the ONNX model: one feature, or several stacked into the last axis in this order. */
export const tensorInputSchema = z.strictObject({
  name: z.string().min(1),
  datatype: datatypeSchema,
  /** Leading -1 is the batch. */
  shape: z.array(z.int().min(-1)).min(1),
  features: z.array(featureSchema).min(1),
});
export type TensorInput = z.output<typeof tensorInputSchema>;

export const tensorOutputSchema = z.strictObject({
  name: z.string().min(1),
  datatype: datatypeSchema,
  shape: z.array(z.int().min(-1)).min(1),
});
export type TensorOutput = z.output<typeof tensorOutputSchema>;

/**
 * How columns become tensors and tensors become a prediction: the one feature mapping that training export, optimisation,
 * evaluation, the gateway, drift checks and batch scoring all use.
 */
export const modelSignatureSchema = z.strictObject({
  inputs: z.array(tensorInputSchema).min(1),
  outputs: z.array(tensorOutputSchema).min(1),
  /** Column of the label in training and evaluation data (0/1, boolean). Never a feature. */
  label: z.string().min(1),
  prediction: z.strictObject({
    kind: z.literal("binary"),
    /** Output that holds the probability of the positive class, shape [-1] or [-1, 1]. */
    output: z.string().min(1),
    threshold: z.number().gt(0).lt(1).default(0.5),
  }),
});
export type ModelSignature = z.output<typeof modelSignatureSchema>;
export type ModelSignatureInput = z.input<typeof modelSignatureSchema>;

/** What `core/onnx` reads from a model file. */
export const modelFactsSchema = z.strictObject({
  inputs: z.array(tensorOutputSchema),
  outputs: z.array(tensorOutputSchema),
  opset: z.int(),
  nodeCount: z.int(),
  /** Sorted and unique, `domain:Operator` for other domains than the default one. */
  operators: z.array(z.string()),
  parameterCount: z.int(),
  sizeBytes: z.int(),
});
export type ModelFacts = z.output<typeof modelFactsSchema>;
