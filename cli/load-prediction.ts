import type { LineageGraph, Modelwright, PredictionExplanation } from "../client/index.ts";

export interface ExplainedPrediction {
  readonly explanation: PredictionExplanation;
  /** Digests of the snapshots that this version, or the one it was optimized from, was trained on. */
  readonly trainingData: readonly string[];
}

/**
 * A prediction's chain. What lies upstream of a version also holds the data behind the champion it was compared with and behind the
 * drift that caused it; only what leads to the model's own bytes is its training data. With `refs` people stay pseudonyms.
 */
export async function loadPrediction(
  modelwright: Modelwright,
  inferenceId: string,
  options: { readonly refs?: boolean } = {},
): Promise<ExplainedPrediction> {
  const explanation = await modelwright.explain(inferenceId, options);
  const { model, number } = explanation.version;
  const version = `model/${model}@${number}`;
  return { explanation, trainingData: trainingDataOf(await modelwright.lineage(version, "upstream"), version) };
}

/** Edges by which a version's bytes came to be. */
const MAKING = ["bytes", "optimized-from"];

export function trainingDataOf({ edges }: Pick<LineageGraph, "edges">, version: string): string[] {
  const made = new Set([version]);
  const found = new Set<string>();
  // A Set visits what is added to it while it is walked.
  for (const ref of made) {
    for (const { from, to, role } of edges) {
      if (to !== ref) continue;
      if (MAKING.includes(role)) made.add(from);
      if (role === "training-data") found.add(from.slice("artifact/".length));
    }
  }
  return [...found];
}
