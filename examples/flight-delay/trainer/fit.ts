import { setImmediate as nextTurn } from "node:timers/promises";

import { parameterCount, type Network, type Rows } from "./network.ts";
import { adamStep } from "./parameters.ts";
import { createPropagation } from "./propagate.ts";
import { createRandom, shuffle } from "./random.ts";
import { rocAuc } from "./roc-auc.ts";

export interface FitOptions {
  readonly epochs: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  /** Share of the rows kept aside to measure, 0 to 1. */
  readonly holdoutShare: number;
  readonly seed: number;
  /** Called after every minibatch. */
  readonly onProgress: (share: number, note: string) => void;
}

/** Flat numbers about the training, written as metrics.json. */
export type FitMetrics = Readonly<Record<string, number>>;

/** Trains in place by minibatches with Adam; the learning rate falls to zero along half a cosine. */
export async function fitNetwork(network: Network, rows: Rows, options: FitOptions): Promise<FitMetrics> {
  const random = createRandom(options.seed);
  const order = Uint32Array.from({ length: rows.count }, (_, row) => row);
  shuffle(order, random);
  const holdoutCount = Math.floor(rows.count * options.holdoutShare);
  const holdout = order.slice(0, holdoutCount);
  const training = order.slice(holdoutCount);
  const batch = Math.min(options.batch, training.length);
  const propagation = createPropagation(network, batch);
  const stepCount = options.epochs * Math.ceil(training.length / batch);

  let step = 0;
  let meanLoss = 0;
  for (let epoch = 1; epoch <= options.epochs; epoch++) {
    shuffle(training, random);
    let loss = 0;
    for (let from = 0; from < training.length; from += batch) {
      const to = Math.min(from + batch, training.length);
      propagation.forward(rows, training, from, to);
      loss += propagation.backward();
      const learningRate = 0.5 * options.learningRate * (1 + Math.cos((Math.PI * step) / stepCount));
      step++;
      adamStep(network.parameters, { learningRate, weightDecay: options.weightDecay, step });
      options.onProgress(step / stepCount, `epoch ${epoch} of ${options.epochs}, log loss ${(loss / to).toFixed(4)}`);
      // Lets signals and the end of stdin be heard; without it the loop would hold the process for seconds.
      await nextTurn();
    }
    meanLoss = loss / training.length;
  }
  return {
    training_rows: training.length,
    training_log_loss: meanLoss,
    parameters: parameterCount(network),
    ...measure(network, rows, holdout, batch),
  };
}

function measure(network: Network, rows: Rows, holdout: Uint32Array, batch: number): FitMetrics {
  if (holdout.length === 0) return {};
  const propagation = createPropagation(network, batch);
  const scores = new Float32Array(holdout.length);
  let loss = 0;
  for (let from = 0; from < holdout.length; from += batch) {
    const to = Math.min(from + batch, holdout.length);
    const probabilities = propagation.forward(rows, holdout, from, to);
    scores.set(probabilities.subarray(0, to - from), from);
    loss += propagation.backward();
  }
  const labels = Uint8Array.from(holdout, (row) => rows.labels[row]!);
  const auc = rocAuc(scores, labels);
  const shared = { holdout_rows: holdout.length, holdout_log_loss: loss / holdout.length };
  return auc === null ? shared : { ...shared, holdout_roc_auc: auc };
}
