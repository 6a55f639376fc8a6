import type { FailureCode } from "../../contracts/failures.ts";
import type { Digest } from "../../contracts/primitives.ts";
import type { ServingRecord } from "../../contracts/serving-record.ts";
import type { ModelSignature } from "../../contracts/signature.ts";

/**
 * What crosses to a model's process and back, besides the tensors: those of a run go over a socket of their own, as frames with the run's
 * id, and so do its outputs.
 */

export interface OpenMessage {
  readonly kind: "open";
  /** Names the model in failures. */
  readonly label: string;
  /** File of the model; the child verifies its digest before a byte of it is parsed. */
  readonly path: string;
  readonly digest: Digest;
  readonly signature: ModelSignature;
  readonly intraOpThreads: number;
  /** What it answered where it was measured; it must answer the same here before it is ready. */
  readonly record: ServingRecord | null;
}

/** Where the child finds that socket. */
export const TENSORS_DESCRIPTOR = 4;

export type FromModelProcess =
  | { readonly kind: "ready" }
  /** `id` null: it could not start. `code` null: a bug, not a catalogued failure. */
  | {
      readonly kind: "failed";
      readonly id: number | null;
      readonly code: FailureCode | null;
      readonly fields: object;
      readonly message: string;
    };
