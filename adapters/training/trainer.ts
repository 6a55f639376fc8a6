import { join } from "node:path";

import type { ModelSignature } from "../../contracts/signature.ts";
import type { TrainerManifest, TrainingSettings } from "../../contracts/training.ts";

export interface TrainingRequest {
  readonly settings: TrainingSettings;
  /** Its outputs must be `trainerOutputPaths(workDirectory)`. */
  readonly manifest: TrainerManifest;
  /**
   * Belongs to this one handoff and is made when missing. A second attempt in the same directory takes the finished result
   * of an earlier attempt, or ends what is left of it and starts over.
   */
  readonly workDirectory: string;
  /** Aborting stops the trainer; `train` then rejects with the signal's reason, after the trainer is gone. */
  readonly signal: AbortSignal;
  /** `share` runs from 0 to 1 as the trainer says it. Not called while it says nothing: heartbeat on a timer as well. */
  readonly onProgress: (share: number, note: string) => void;
}

export interface TrainingResult {
  /** The returned model, not yet admitted: nothing has looked inside. */
  readonly modelPath: string;
  readonly signature: ModelSignature;
  readonly metrics: Readonly<Record<string, number>>;
}

/** A way of handing training to a program that is not ours. */
export interface Trainer {
  readonly kind: TrainingSettings["trainer"];
  /** One sentence for people who choose. */
  readonly summary: string;
  /**
   * @throws TRAINER_EXITED, TRAINER_NO_MODEL, TRAINER_SILENT, TRAINER_TIMEOUT; MODEL_SIGNATURE when the signature file is not
   * one or uses columns it may not; INPUT_INVALID for metrics that are not numbers by name; FILE_MISSING for an unknown program
   */
  readonly train: (request: TrainingRequest) => Promise<TrainingResult>;
}

/** Where a trainer working in this directory leaves its results. */
export function trainerOutputPaths(workDirectory: string): TrainerManifest["output"] {
  return {
    model: join(workDirectory, "model.onnx"),
    signature: join(workDirectory, "signature.json"),
    metrics: join(workDirectory, "metrics.json"),
  };
}
