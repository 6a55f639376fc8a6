import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type {
  BatchInvariance,
  OptimizationGate,
  OptimizationSettings,
  Saturation,
} from "../../contracts/optimization.ts";
import { parseModel } from "../../core/onnx/model.ts";
import { measureAgreement } from "../../core/quantization/agreement.ts";
import { findUnfused } from "../../core/quantization/fused.ts";
import { judgeEvidence } from "../../core/quantization/judge-evidence.ts";
import { measureSaturation } from "../../core/quantization/saturation.ts";
import type { Comparer } from "./compare-outputs.ts";
import type { NamedModel } from "./measure-candidates.ts";
import { openSession, saveOptimized } from "./session.ts";

export interface EvidenceRequest {
  readonly comparer: Comparer;
  readonly settings: OptimizationSettings;
  readonly invariance: BatchInvariance;
  /** Whether the candidate's pass computes in integers. */
  readonly isInteger: boolean;
  /** A folder for the model as the runtime executes it. */
  readonly directory: string;
}

/** Everything about a candidate that no row of data shows: what the runtime makes of it, and what another processor would. */
export async function measureEvidence(
  { name, model }: NamedModel,
  { comparer, settings, invariance, isInteger, directory }: EvidenceRequest,
): Promise<{ gates: OptimizationGate[]; saturation: Saturation }> {
  const saturation = measureSaturation(parseModel(model.bytes, name));
  const { maximumDisagreementShare, minimumSignalToNoiseDb } = settings;
  const path = join(directory, `${name}.executed.onnx`);
  await saveOptimized(model.bytes, { path, level: "extended" });
  const fused = findUnfused(parseModel(new Uint8Array(await readFile(path)), name));
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
