import { isFailure } from "../../contracts/failures.ts";
import type { QuantizationPassName } from "../../contracts/names.ts";
import { trialSchema, type OptimizationSettings, type Trial } from "../../contracts/optimization.ts";
import { reasonOutside } from "../../core/quantization/constraints.ts";
import { rankLayers, searchFallbacks } from "../../core/quantization/fallback.ts";
import type { NodeAction } from "../../core/quantization/pass.ts";
import type { Comparer, Comparison } from "../inference/compare-outputs.ts";
import type { SearchTracker } from "./search-progress.ts";
import { PRESENT_MAKER } from "./maker.ts";
import { makeCandidate, type MadeCandidate, type Workshop } from "./make-candidate.ts";

/** Operators whose weights decide what a pass does to the outputs; the nodes between them follow. */
const LAYERS: readonly string[] = ["MatMul", "Gemm", "Conv", "ConvTranspose", "LSTM", "GRU", "RNN", "Gather"];

/** How much nearer to fp32 the proxy must be after a candidate that it let through failed on all rows. */
const STEP_DB = 6;
const ROUNDS = 3;

export interface SearchContext {
  readonly workshop: Workshop;
  readonly comparer: Comparer;
  /** Everything that decides a trial's result beside the candidate: digests of rows, settings. */
  readonly rowsKey: Readonly<Record<string, unknown>>;
  readonly tracker: SearchTracker;
  /** False when the search's time is over. */
  readonly hasTime: () => boolean;
}

export interface Found {
  readonly candidate: MadeCandidate;
  readonly comparison: Comparison;
}

export interface SearchResult {
  /** The nearest to fp32 that the search came to: inside the tolerance, or as it was without fallbacks. */
  readonly found: Found;
  readonly trials: readonly Trial[];
}

/**
 * Makes a pass's candidate and, where it is outside the tolerance, gives the layers that do most harm back to float until it is inside:
 * judged on a few hundred rows by signal-to-noise, and then on all of them. Every trial is kept, so that an attempt after a crash goes on
 * where this one ended.
 *
 * @throws QUANTIZATION_UNSUPPORTED, INFERENCE_FAILED when the pass has no candidate at all
 */
export async function searchCandidate(pass: QuantizationPassName, context: SearchContext): Promise<SearchResult> {
  const { workshop, comparer, tracker, hasTime } = context;
  const { settings } = workshop;
  const trials: Trial[] = [];
  const first = await makeCandidate(workshop, pass);
  const layers = layersOf(first.nodes);
  let ranked: readonly string[] | undefined;
  let target = settings.minimumSignalToNoiseDb;
  let found: Found = { candidate: first, comparison: await comparer.compare(pass, first.model, "full") };
  keep(trialOf(found, "full", settings));

  for (let round = 0; round < ROUNDS; round++) {
    if (isInside(found.comparison, settings) || layers.length < 2 || !hasTime()) break;
    if (ranked === undefined) {
      const harms = await measureLayers(pass, first, context);
      trials.push(...harms);
      ranked = rankLayers(harms.map(({ layer, signalToNoiseDb }) => ({ name: layer ?? "", signalToNoiseDb })));
    }
    const few = ranked.slice(0, Math.min(settings.maximumFallbacks, layers.length - 1));
    if (few.length === 0) break;
    const reached = found.comparison.agreement.signalToNoiseDb ?? target;
    target = Math.max(target, round === 0 ? reached : reached + STEP_DB);
    const fallbacks = await searchFallbacks(few, async (names) => !hasTime() || (await isNear(names, target)));
    if (fallbacks === undefined || !hasTime()) break;
    const candidate = await makeCandidate(workshop, pass, fallbacks);
    const next = { candidate, comparison: await comparer.compare(pass, candidate.model, "full") };
    keep(trialOf(next, "full", settings));
    await found.candidate.model.session.close();
    found = next;
  }
  return { found, trials };

  async function isNear(fallbacks: readonly string[], atLeastDb: number): Promise<boolean> {
    const trial = await tryOut(pass, fallbacks, { stage: "proxy", layer: null }, context);
    const isEnough = trial.isInside && (trial.signalToNoiseDb ?? Number.POSITIVE_INFINITY) >= atLeastDb;
    trials.push({ ...trial, isInside: isEnough });
    return isEnough;
  }

  function keep(trial: Trial): void {
    trials.push(trial);
    tracker.tried(trial);
  }
}

/** Each layer of a candidate alone quantized: what it costs without the others. As many as there is time for. */
export async function measureLayers(
  pass: QuantizationPassName,
  { nodes, fallbacks }: Pick<MadeCandidate, "nodes" | "fallbacks">,
  context: SearchContext,
): Promise<Trial[]> {
  const layers = layersOf(nodes);
  const trials = [];
  for (const layer of layers) {
    if (!context.hasTime()) break;
    const others = layers.filter((other) => other !== layer);
    trials.push(await tryOut(pass, [...fallbacks, ...others], { stage: "layer", layer }, context));
  }
  return trials;
}

async function tryOut(
  pass: QuantizationPassName,
  fallbacks: readonly string[],
  about: Pick<Trial, "stage" | "layer">,
  { workshop, comparer, rowsKey, tracker }: SearchContext,
): Promise<Trial> {
  const { settings } = workshop;
  const key = {
    what: "trial",
    pass,
    fallbacks: fallbacks.toSorted(),
    ...about,
    ...rowsKey,
    settings,
    maker: PRESENT_MAKER,
  };
  const trial = await workshop.kept.once(key, trialSchema, async () => {
    try {
      const candidate = await makeCandidate(workshop, pass, fallbacks);
      const comparison = await comparer.compare(pass, candidate.model, "proxy");
      await candidate.model.session.close();
      return { ...trialOf({ candidate, comparison }, about.stage, settings), layer: about.layer };
    } catch (thrown) {
      if (!isFailure(thrown)) throw thrown;
      // A layer that is not quantized without another does no harm alone; one that gives NaN is a trial that failed, not a search.
      const isLeft = thrown.code === "QUANTIZATION_UNSUPPORTED";
      const harm = isLeft
        ? { signalToNoiseDb: null, sameDecisionShare: 1 }
        : { signalToNoiseDb: -400, sameDecisionShare: 0 };
      return { pass, ...about, fallbacks: [...fallbacks], ...harm, isInside: isLeft };
    }
  });
  tracker.tried(trial);
  return trial;
}

/** The names of the layers a pass took, in the order of the graph. */
function layersOf(nodes: readonly NodeAction[]): string[] {
  return [
    ...new Set(
      nodes.filter(({ action, operator }) => action !== "left" && LAYERS.includes(operator)).map(({ name }) => name),
    ),
  ];
}

function isInside(comparison: Comparison, settings: OptimizationSettings): boolean {
  const { signalToNoiseDb } = comparison.agreement;
  const isNearEnough = (signalToNoiseDb ?? Number.POSITIVE_INFINITY) >= settings.minimumSignalToNoiseDb;
  return isNearEnough && reasonOutside(comparison, settings) === undefined;
}

function trialOf({ candidate, comparison }: Found, stage: Trial["stage"], settings: OptimizationSettings): Trial {
  const { signalToNoiseDb, sameDecisionShare } = comparison.agreement;
  return {
    pass: candidate.pass,
    stage,
    fallbacks: [...candidate.fallbacks],
    layer: null,
    signalToNoiseDb,
    sameDecisionShare,
    isInside: isInside(comparison, settings),
  };
}
