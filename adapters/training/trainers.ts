import type { TrainingSettings } from "../../contracts/training.ts";
import { processTrainer } from "./process-trainer.ts";
import type { Trainer } from "./trainer.ts";

/** Registry of trainers: one file each, one line here. */
export const trainers = {
  process: processTrainer,
} satisfies Record<TrainingSettings["trainer"], Trainer>;
