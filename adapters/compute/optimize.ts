import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import type { DataSource } from "../../contracts/data.ts";
import { Failure, isFailure } from "../../contracts/failures.ts";
import type { QuantizationPassName } from "../../contracts/names.ts";
import type { OptimizationReport, OptimizationSettings } from "../../contracts/optimization.ts";
import type { Digest } from "../../contracts/primitives.ts";
import type { ModelSignature } from "../../contracts/signature.ts";
import { featureColumns } from "../../core/data/feature-columns.ts";
import { chooseCandidate, ORIGINAL } from "../../core/quantization/choose.ts";
import { quantizeModel } from "../../core/quantization/quantize.ts";
import { digestOf, loadModel, type LoadedModel } from "../inference/load-model.ts";
import { measureCandidates, type NamedModel } from "../inference/measure-candidates.ts";
import { sampleRows } from "../inference/sample-rows.ts";
import { openSession, RUNTIME_VERSION } from "../inference/session.ts";
import type { JobContext } from "./job.ts";

export interface OptimizeInput {
  readonly model: { readonly path: string; readonly digest: Digest };
  readonly signature: ModelSignature;
  /** Rows that candidates must agree on and are timed with. */
  readonly data: DataSource;
  readonly settings: OptimizationSettings;
  /** Every candidate is left here as `<name>.onnx`. */
  readonly outputDirectory: string;
}

/** Makes the candidates, measures size, latency and agreement with fp32, and chooses one. Keeping fp32 is a valid answer. */
export async function optimize(input: OptimizeInput, { progress }: JobContext): Promise<OptimizationReport> {
  const { signature, data, settings, outputDirectory } = input;
  const original = await loadModel({ ...input.model, signature });
  const rows = await sampleRows(data, featureColumns(signature), settings.sampleRows);
  if (rows.length === 0) throw new Failure("DATA_EMPTY", { where: data.path, window: "" });
  progress(0.2, "rows sampled");

  const nodes: OptimizationReport["nodes"] = {};
  const models: [NamedModel, ...NamedModel[]] = [{ name: ORIGINAL, model: original }];
  const unmade: string[] = [];
  for (const pass of settings.passes) {
    const made = await makeCandidate(original, pass, input.model.path);
    if (typeof made === "string") unmade.push(`${pass}: ${made}`);
    else models.push({ name: pass, model: made.model });
    nodes[pass] = typeof made === "string" ? [] : made.nodes;
  }
  await mkdir(outputDirectory, { recursive: true });
  for (const { name, model } of models) await writeFile(join(outputDirectory, `${name}.onnx`), model.bytes);
  progress(0.4, `${models.length} candidates made`);

  const candidates = await measureCandidates(models, { rows, where: data.path });
  const { chosen, reason, refused } = chooseCandidate(candidates, settings);
  return {
    source: original.digest,
    settings,
    candidates: candidates.map((candidate) => ({ ...candidate, refused: refused.get(candidate.name) ?? null })),
    chosen,
    reason: [reason, ...unmade].join("; "),
    nodes,
    runtime: {
      "onnxruntime-node": RUNTIME_VERSION,
      node: process.version,
      cpu: cpus()[0]?.model.trim() ?? "unknown",
      platform: `${process.platform} ${process.arch}`,
    },
  };
}

/** The candidate and what became of each node, or why there is none: a model without anything to quantize is no error. */
async function makeCandidate(original: LoadedModel, pass: QuantizationPassName, where: string) {
  try {
    const { model: bytes, nodes } = quantizeModel(original.bytes, pass, where);
    const digest = digestOf(bytes);
    const session = await openSession({ model: bytes, digest });
    return { model: { ...original, session, digest, bytes }, nodes: [...nodes] };
  } catch (thrown) {
    if (isFailure(thrown) && thrown.code === "QUANTIZATION_UNSUPPORTED") return thrown.message;
    throw thrown;
  }
}
