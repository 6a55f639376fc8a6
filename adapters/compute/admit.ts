import type { DataSource } from "../../contracts/data.ts";
import type { ModelFacts, ModelSignature } from "../../contracts/signature.ts";
import { loadModel } from "../inference/load-model.ts";
import { smokeTest } from "../inference/smoke-test.ts";
import type { JobContext } from "./job.ts";

export interface AdmitInput {
  readonly model: { readonly path: string };
  /** As declared; the file's own must equal it. */
  readonly signature: ModelSignature;
  /** Rows for the smoke inference; without them it runs on zeros. */
  readonly sample: DataSource | null;
}

/** Admits a model file: limits, operators, declared signature, and a smoke inference that gives probabilities. */
export async function admit({ model, signature, sample }: AdmitInput, { progress }: JobContext): Promise<ModelFacts> {
  const loaded = await loadModel({ path: model.path, digest: null, signature });
  progress(0.5, "loaded, running the smoke inference");
  await smokeTest(loaded, sample);
  return loaded.facts;
}
