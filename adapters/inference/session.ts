import { createHash } from "node:crypto";
import { narrowTensor, NO_BFLOAT16_TENSORS, widenBfloat16, widenTensor } from "./widen-bfloat16.ts";
import "./without-telemetry.ts";
import * as ort from "onnxruntime-node";
import type { Tensor } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";
import type { Digest } from "../../contracts/primitives.ts";
import type { TensorDatatype } from "../../contracts/signature.ts";
import { DETACHED, detachData } from "../../core/onnx/external-data.ts";
import { parseModel } from "../../core/onnx/model.ts";

/** Our names of ONNX Runtime's element types. FP16 travels as its 16 bits; its binding has no BF16. */
const TYPES = {
  BOOL: "bool",
  UINT8: "uint8",
  UINT16: "uint16",
  UINT32: "uint32",
  UINT64: "uint64",
  INT8: "int8",
  INT16: "int16",
  INT32: "int32",
  INT64: "int64",
  FP16: "float16",
  FP32: "float32",
  FP64: "float64",
  BYTES: "string",
} as const satisfies Record<Exclude<TensorDatatype, "BF16">, ort.Tensor.Type>;
const DATATYPES = new Map<string, TensorDatatype>(
  Object.entries(TYPES).map(([datatype, type]) => [type, datatype as TensorDatatype]),
);

/** How ONNX Runtime words it when the bytes cannot be read at all. */
const BROKEN_BYTES = /protobuf|pointer is null/i;

export const RUNTIME_VERSION: string = ort.env.versions.node ?? ort.env.versions.common;

/** How every session is opened; the threads are each model's own. */
export const SESSION_OPTIONS = { graphOptimizationLevel: "all", interOpNumThreads: 1 } as const;

export interface SessionOptions {
  readonly model: Uint8Array;
  /** Null for bytes that this process made itself a moment ago: hashing a large model takes longer than opening it. */
  readonly digest: Digest | null;
  readonly intraOpThreads?: number;
  /** False runs the graph as it is written; for comparing with what the optimizer makes of it. */
  readonly isOptimized?: boolean;
  /** The elements of its constants, where `detachData` left them out of the model. */
  readonly data?: Uint8Array;
  /** For a few runs: constants are used as they are, and not once more packed for speed. */
  readonly isBrief?: boolean;
}

/** As much memory as the model needs, and no more. */
const BRIEF = { enableCpuMemArena: false, extra: { session: { disable_prepacking: "1" } } } as const;

const dataOption = (data: Uint8Array | undefined) =>
  data === undefined ? {} : { externalData: [{ path: DETACHED, data }] };

/** A loaded model. Only for a job's or a model's own process: `run` blocks the event loop. */
export interface Session {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** @throws INFERENCE_FAILED */
  readonly run: (tensors: readonly Tensor[]) => Promise<Tensor[]>;
  readonly close: () => Promise<void>;
}

/**
 * Loads a model from verified bytes into ONNX Runtime on the CPU.
 *
 * @throws DIGEST_MISMATCH before a byte is parsed; MODEL_NOT_ONNX for bytes that are no model; INFERENCE_FAILED for a model
 * ONNX Runtime cannot run (an operator, a type, a shape)
 */
export async function openSession({
  model,
  digest: announced,
  intraOpThreads = 1,
  isOptimized = true,
  data,
  isBrief = false,
}: SessionOptions): Promise<Session> {
  const digest = announced ?? "made here";
  if (announced !== null) {
    const found = createHash("sha256").update(model).digest("hex");
    if (found !== announced) throw new Failure("DIGEST_MISMATCH", { where: "model", found, expected: announced });
  }
  const options = {
    ...SESSION_OPTIONS,
    ...(isOptimized ? {} : { graphOptimizationLevel: "disabled" as const }),
    ...(isBrief ? BRIEF : {}),
    ...dataOption(data),
    intraOpNumThreads: intraOpThreads,
    logSeverityLevel: 3 as const,
  };
  const { session, borders } = await load(model, digest, options);
  const names = new Map([...borders].map(([name, border]) => [border, name]));
  return {
    inputs: session.inputNames.map((name) => names.get(name) ?? name),
    outputs: session.outputNames.map((name) => names.get(name) ?? name),
    run: async (tensors) => {
      try {
        const feeds = tensors.map((tensor) => [borders.get(tensor.name) ?? tensor.name, toOrt(tensor)] as const);
        const results = await session.run(Object.fromEntries(feeds));
        return session.outputNames.map((found) => {
          const name = names.get(found);
          return name === undefined
            ? fromOrt(found, results[found])
            : narrowTensor({ ...fromOrt(found, results[found]), name });
        });
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new Failure("INFERENCE_FAILED", { model: digest, reason }, { cause });
      }
    },
    close: () => session.release(),
  };
}

const NO_BORDERS: ReadonlyMap<string, string> = new Map();

async function load(
  model: Uint8Array,
  digest: Digest,
  options: ort.InferenceSession.SessionOptions,
): Promise<{ readonly session: ort.InferenceSession; readonly borders: ReadonlyMap<string, string> }> {
  try {
    return { session: await ort.InferenceSession.create(model, options), borders: NO_BORDERS };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (NO_BFLOAT16_TENSORS.test(reason)) {
      const widened = widenBfloat16(model, `model ${digest}`);
      return { session: await ort.InferenceSession.create(widened.model, options), borders: widened.borders };
    }
    if (!BROKEN_BYTES.test(reason)) throw new Failure("INFERENCE_FAILED", { model: digest, reason }, { cause });
    throw new Failure("MODEL_NOT_ONNX", { where: `model ${digest}`, found: reason }, { cause });
  }
}

/**
 * Lets ONNX Runtime write what it makes of a model at a level of optimisation.
 *
 * @throws INFERENCE_FAILED
 */
export async function saveOptimized(
  model: Uint8Array,
  { path, level }: { readonly path: string; readonly level: "basic" | "extended" },
): Promise<void> {
  const options = {
    ...BRIEF,
    ...dataOption(model),
    graphOptimizationLevel: level,
    optimizedModelFilePath: path,
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  } as const;
  try {
    const graph = detachData(parseModel(model, "the model to optimize"), model);
    await (await ort.InferenceSession.create(graph, options)).release();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Failure("INFERENCE_FAILED", { model: `optimized at level ${level}`, reason }, { cause });
  }
}

function toOrt(tensor: Tensor): ort.Tensor {
  const { datatype, data, shape } = tensor;
  return datatype === "BF16" ? toOrt(widenTensor(tensor)) : new ort.Tensor(TYPES[datatype], data, shape);
}

function fromOrt(name: string, tensor: ort.Tensor | undefined): Tensor {
  const datatype = tensor && DATATYPES.get(tensor.type);
  if (!tensor || !datatype) throw new TypeError(`output "${name}" is ${tensor?.type ?? "missing"}`);
  // Newer versions of Node have a Float16Array, which ONNX Runtime then uses; our tensors carry the 16 bits everywhere.
  const { data } = tensor;
  const halves = datatype === "FP16" && ArrayBuffer.isView(data) && !(data instanceof Uint16Array);
  const carried = halves ? new Uint16Array(data.buffer, data.byteOffset, tensor.size) : data;
  return { name, datatype, shape: [...tensor.dims], data: carried };
}
