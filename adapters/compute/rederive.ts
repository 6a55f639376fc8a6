import { Failure } from "../../contracts/failures.ts";
import { QUANTIZATION_PASSES } from "../../contracts/names.ts";
import { quantizationOptions, type OptimizationReport } from "../../contracts/optimization.ts";
import type { Digest } from "../../contracts/primitives.ts";
import { quantizeModel } from "../../core/quantization/quantize.ts";
import { quantizationPass } from "../../core/quantization/registry.ts";
import { foldModel } from "../inference/fold-model.ts";
import { digestOf, readModel } from "../inference/read-model.ts";
import type { JobContext } from "./job.ts";
import { PRESENT_MAKER, recordedMaker, type Maker } from "./maker.ts";

export interface RederiveInput {
  /** The model the version was made from. */
  readonly parent: { readonly path: string; readonly digest: Digest };
  /** What the optimization wrote of it: options, ranges, fallbacks. */
  readonly report: OptimizationReport;
  /** The candidate to make again. */
  readonly candidate: string;
}

export interface Rederived {
  readonly digest: Digest;
  /** Then and now: another method or runtime may give other bytes, the same ones never do. */
  readonly recorded: Maker;
  readonly present: Maker;
}

/**
 * Makes a candidate again from the parent's bytes with the recorded options and ranges. Neither data nor measurements are needed: that
 * the digests agree proves that the bytes are what the report says they are, and nothing else.
 *
 * @throws DIGEST_MISMATCH when the parent's bytes are others; QUANTIZATION_UNSUPPORTED, TypeError when the report's ranges do not fit them
 */
export async function rederive(
  { parent, report, candidate: name }: RederiveInput,
  { progress }: JobContext,
): Promise<Rederived> {
  const bytes = await readModel(parent.path);
  const found = digestOf(bytes);
  if (found !== parent.digest || found !== report.source) {
    throw new Failure("DIGEST_MISMATCH", { where: parent.path, found, expected: report.source });
  }
  progress(0.2, "the parent's bytes are verified");
  const pass = QUANTIZATION_PASSES.find((known) => known === name);
  const { fallbacks = [] } = report.candidates.find((candidate) => candidate.name === name) ?? {};
  const digest =
    pass === undefined ? found : digestOf((await remake(bytes, pass, { report, fallbacks, parent })).model);
  return { digest, recorded: recordedMaker(report.runtime), present: PRESENT_MAKER };
}

async function remake(
  bytes: Uint8Array,
  pass: (typeof QUANTIZATION_PASSES)[number],
  { report, fallbacks, parent }: Pick<RederiveInput, "report" | "parent"> & { readonly fallbacks: readonly string[] },
) {
  const options = quantizationOptions(report.settings);
  const ranges = Object.entries(report.calibrations[pass]?.ranges ?? {});
  return quantizeModel(bytes, pass, parent.path, {
    ...options,
    nodesToExclude: [...options.nodesToExclude, ...fallbacks],
    folded: quantizationPass(pass).source === "folded" ? await foldModel(bytes) : bytes,
    ranges: new Map(ranges.map(([value, [low, high]]) => [value, { low, high }])),
  });
}
