import { Failure } from "../../contracts/failures.ts";
import type { Digest } from "../../contracts/primitives.ts";
import type { ModelFacts, ModelSignature } from "../../contracts/signature.ts";
import { inspectModel } from "../../core/onnx/inspect.ts";
import { matchSignature } from "./match-signature.ts";
import { digestOf, readModel } from "./read-model.ts";
import { openSession, type Session } from "./session.ts";

/** A model file to load: the digest it must have and how its columns become tensors. */
export interface ModelSource {
  readonly path: string;
  /** Null takes the file as it is: for admission, which finds out its digest. */
  readonly digest: Digest | null;
  readonly signature: ModelSignature;
}

export interface LoadedModel {
  readonly session: Session;
  readonly signature: ModelSignature;
  readonly digest: Digest;
  readonly facts: ModelFacts;
  readonly bytes: Uint8Array;
}

/**
 * Reads, inspects and opens a model. What may not be loaded is refused before ONNX Runtime sees a byte, also on paths that no
 * admission stage guards, such as the command line.
 *
 * @throws FILE_MISSING, DIGEST_MISMATCH, MODEL_NOT_ONNX, MODEL_REFUSED, MODEL_SIGNATURE, INFERENCE_FAILED
 */
export async function loadModel({ path, digest: announced, signature }: ModelSource): Promise<LoadedModel> {
  const bytes = await readModel(path);
  const digest = digestOf(bytes);
  if (announced !== null && announced !== digest) {
    throw new Failure("DIGEST_MISMATCH", { where: path, found: digest, expected: announced });
  }
  const facts = inspectModel(bytes, path);
  matchSignature(facts, signature, path);
  return { session: await openSession({ model: bytes, digest }), signature, digest, facts, bytes };
}
