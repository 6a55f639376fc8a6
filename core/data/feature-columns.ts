import type { Feature, ModelSignature } from "../../contracts/signature.ts";

/** Names of the raw columns a model needs, each once, in the order of the signature. The label is never among them. */
export function featureColumns(signature: ModelSignature): string[] {
  return [...new Set(signatureFeatures(signature).map((feature) => feature.column))];
}

/** Every feature of every input, in order; a column used twice appears twice. */
export function signatureFeatures(signature: ModelSignature): Feature[] {
  return signature.inputs.flatMap((input) => input.features);
}
