import { InferenceSession, Tensor } from "onnxruntime-node";

type Feed = Record<
  string,
  { readonly dims: readonly number[]; readonly data: Float32Array | BigInt64Array | Uint8Array }
>;
type Level = "disabled" | "basic" | "extended" | "all";

/** Runs a model in ONNX Runtime and gives the first output's elements; in tests only, since it blocks the event loop. */
export async function runModel(model: Uint8Array, feed: Feed, level: Level = "all"): Promise<number[]> {
  const session = await InferenceSession.create(model, {
    graphOptimizationLevel: level,
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  try {
    const inputs = Object.entries(feed).map(([name, { dims, data }]) => [name, createTensor(data, dims)] as const);
    const outputs = await session.run(Object.fromEntries(inputs));
    return Array.from(outputs[session.outputNames[0]!]!.data as Float32Array);
  } finally {
    await session.release();
  }
}

function createTensor(data: Float32Array | BigInt64Array | Uint8Array, dims: readonly number[]): Tensor {
  if (data instanceof Float32Array) return new Tensor("float32", data, dims);
  if (data instanceof BigInt64Array) return new Tensor("int64", data, dims);
  return new Tensor("bool", data, dims);
}
