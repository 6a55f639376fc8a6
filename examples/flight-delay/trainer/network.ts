import { createParameter, type Parameter } from "./parameters.ts";

/** Rows ready for the network: standardised numbers and category indices, row-major, and 0/1 labels. */
export interface Rows {
  readonly count: number;
  readonly numbers: Float32Array;
  readonly categories: Int32Array;
  readonly labels: Uint8Array;
}

export interface NetworkShape {
  readonly numberCount: number;
  /** Values of each category column, index 0 included. */
  readonly categorySizes: readonly number[];
  /** Width of every embedding. */
  readonly embedding: number;
  /** Widths of the hidden layers; none makes the score linear in numbers and embeddings. */
  readonly hidden: readonly number[];
  readonly seed: number;
}

/** A layer `output = input · weights + bias`; all but the last are followed by a ReLU. */
interface Layer {
  readonly weights: Parameter;
  readonly bias: Parameter;
}

export interface Network {
  readonly shape: NetworkShape;
  readonly embeddings: readonly Parameter[];
  /** The first layer reads [numbers, embedding of category 0, embedding of category 1, ...]. */
  readonly layers: readonly Layer[];
  readonly parameters: readonly Parameter[];
}

/** A fresh network. `positiveShare` sets the last bias, so that training starts at the base rate and not at one half. */
export function createNetwork(shape: NetworkShape, positiveShare: number): Network {
  const widths = [shape.numberCount + shape.categorySizes.length * shape.embedding, ...shape.hidden, 1];
  const embeddings = shape.categorySizes.map((size, i) =>
    createParameter(`embedding_${i}`, [size, shape.embedding], 0.3 / Math.sqrt(shape.embedding), shape.seed * 1000 + i),
  );
  // Index 0 stands for unknown values; where training never meets one, it must say nothing instead of something random.
  for (const { values } of embeddings) values.fill(0, 0, shape.embedding);
  const layers = widths.slice(1).map((width, i): Layer => {
    const inputs = widths[i]!;
    const deviation = Math.sqrt(2 / inputs);
    return {
      weights: createParameter(`weights_${i}`, [inputs, width], deviation, shape.seed * 1000 + 100 + i),
      bias: createParameter(`bias_${i}`, [width], 0, 0),
    };
  });
  layers.at(-1)!.bias.values[0] = Math.log(positiveShare / (1 - positiveShare));
  return { shape, embeddings, layers, parameters: [...embeddings, ...layers.flatMap((l) => [l.weights, l.bias])] };
}

/** Number of trained values. */
export const parameterCount = (network: Network): number =>
  network.parameters.reduce((sum, parameter) => sum + parameter.values.length, 0);
