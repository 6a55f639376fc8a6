import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Tensor } from "../../contracts/data.ts";
import type {
  BatchInvariance,
  OptimizationGate,
  OptimizationSettings,
  Saturation,
} from "../../contracts/optimization.ts";
import { detachData } from "../../core/onnx/external-data.ts";
import { parseModel } from "../../core/onnx/model.ts";
import { measureAgreement } from "../../core/quantization/agreement.ts";
import { findUnfused } from "../../core/quantization/fused.ts";
import { judgeEvidence } from "../../core/quantization/judge-evidence.ts";
import { integerProducts } from "../../core/quantization/integer-layers.ts";
import { observeValues } from "../../core/quantization/observe.ts";
import { measureSaturation, measureSaturationOnData } from "../../core/quantization/saturation.ts";
import type { LoadedModel } from "./load-model.ts";
import type { Comparer } from "./compare-outputs.ts";
import type { NamedModel } from "./measure-candidates.ts";
import { openSession, saveOptimized } from "./session.ts";

export interface EvidenceRequest {
  readonly comparer: Comparer;
  readonly settings: OptimizationSettings;
  readonly invariance: BatchInvariance;
  /** Whether the candidate's pass computes in integers. */
  readonly isInteger: boolean;
  /** Rows to see on what could overflow. */
  readonly tensors: readonly Tensor[];
  /** A folder for the model as the runtime executes it. */
  readonly directory: string;
}

/** Everything about a candidate that no row of data shows: what the runtime makes of it, and what another processor would. */
export async function measureEvidence(
  { name, model }: NamedModel,
  { comparer, settings, invariance, isInteger, tensors, directory }: EvidenceRequest,
): Promise<{ gates: OptimizationGate[]; saturation: Saturation }> {
  const saturation = await findSaturation(name, model, tensors);
  const { maximumDisagreementShare, minimumSignalToNoiseDb } = settings;
  const path = join(directory, `${name}.executed.onnx`);
  await saveOptimized(model.bytes, { path, level: "extended" });
  const fused = findUnfused(parseModel(await readFile(path), name));
  await rm(path);

  const plain = await openSession({ model: model.bytes, digest: model.digest, isOptimized: false });
  try {
    const together = await comparer.compare(name, model, "proxy");
    const apart = await comparer.compare(name, { ...model, session: plain }, "proxy");
    const { threshold } = model.signature.prediction;
    const pair = { where: name, reference: apart.scores, candidate: together.scores, threshold };
    const allowed = { maximumDisagreementShare, minimumSignalToNoiseDb };
    const parity = measureAgreement(pair);
    return { saturation, gates: judgeEvidence({ parity, invariance, saturation, fused, isInteger, ...allowed }) };
  } finally {
    await plain.close();
  }
}

/**
 * What a processor without VNNI could get wrong, and on rows of the data would: the activations are those of the model as it is written,
 * since this host may be such a processor itself.
 */
async function findSaturation(name: string, { bytes }: LoadedModel, tensors: readonly Tensor[]): Promise<Saturation> {
  const parsed = parseModel(bytes, name);
  const possible = measureSaturation(parsed);
  if (possible.overflowShare === 0) return { ...possible, onData: null };
  const values = [...new Set(integerProducts(parsed).map(({ activation }) => activation))];
  const observed = observeValues(bytes, values, "elements", name);
  const session = await openSession({
    model: detachData(observed.model, bytes),
    data: bytes,
    digest: null,
    isOptimized: false,
    isBrief: true,
  });
  try {
    const outputs = new Map((await session.run(tensors)).map((tensor) => [tensor.name, tensor]));
    const activations = new Map(
      values.flatMap((value, at) => {
        const found = outputs.get(observed.outputs[at]?.[0] ?? "");
        return found === undefined ? [] : [[value, found] as const];
      }),
    );
    return { ...possible, onData: measureSaturationOnData(parsed, activations) };
  } finally {
    await session.close();
  }
}
