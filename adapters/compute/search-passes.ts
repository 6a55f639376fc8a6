import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isFailure, type Failure } from "../../contracts/failures.ts";
import type { QuantizationPassName } from "../../contracts/names.ts";
import type { OptimizationReport } from "../../contracts/optimization.ts";
import { quantizationPass } from "../../core/quantization/registry.ts";
import type { Comparison } from "../inference/compare-outputs.ts";
import type { NamedModel } from "../inference/measure-candidates.ts";
import { searchCandidate, type SearchContext } from "./search-candidate.ts";

/** A candidate with what was found out about its outputs, before it is timed; its session is open. */
export interface Survivor extends NamedModel {
  readonly fallbacks: readonly string[];
  readonly comparison: Comparison;
  readonly isInteger: boolean;
}

export interface PassesSearched {
  readonly survivors: readonly (Survivor & { readonly name: QuantizationPassName })[];
  readonly report: Pick<OptimizationReport, "nodes" | "calibrations" | "unmade" | "trials">;
}

interface PassesContext extends SearchContext {
  readonly outputDirectory: string;
}

/** Searches with one pass after the other and leaves each candidate in the output directory as soon as there is one. */
export async function searchPasses(
  passes: readonly QuantizationPassName[],
  context: PassesContext,
): Promise<PassesSearched> {
  const survivors: PassesSearched["survivors"][number][] = [];
  const report: PassesSearched["report"] = { nodes: {}, calibrations: {}, unmade: [], trials: [] };
  for (const pass of passes) {
    report.nodes[pass] = [];
    const leaveOut = (reason: string) => {
      report.unmade.push({ name: pass, reason });
      context.tracker.leftOut(pass, reason);
    };
    if (!context.hasTime()) {
      leaveOut("the search's time was over");
      continue;
    }
    context.tracker.begin(pass);
    try {
      const survivor = await searchPass(pass, context, report);
      survivors.push(survivor);
      context.tracker.found(pass, survivor.model.bytes.length);
    } catch (thrown) {
      // A candidate that cannot be calibrated, opened or run is out; the original was run before.
      if (!isAnswer(thrown)) throw thrown;
      leaveOut(thrown.message);
    }
  }
  return { survivors, report };
}

async function searchPass(
  pass: QuantizationPassName,
  context: PassesContext,
  report: PassesSearched["report"],
): Promise<PassesSearched["survivors"][number]> {
  const { found, trials } = await searchCandidate(pass, context);
  const { model, nodes, calibration, fallbacks } = found.candidate;
  report.nodes[pass] = [...nodes];
  report.trials.push(...trials);
  if (calibration !== null) report.calibrations[pass] = calibration;
  // A search that is ended from now on has left its best so far.
  await writeFile(join(context.outputDirectory, `${pass}.onnx`), model.bytes);
  const { batchInvariant, isInteger } = quantizationPass(pass);
  return { name: pass, model, batchInvariant, isInteger, fallbacks, comparison: found.comparison };
}

function isAnswer(thrown: unknown): thrown is Failure {
  const codes = ["QUANTIZATION_UNSUPPORTED", "INFERENCE_FAILED", "MODEL_SIGNATURE"];
  return isFailure(thrown) && codes.includes(thrown.code);
}
