import type { Network, Rows } from "./network.ts";
import type { Parameter } from "./parameters.ts";

/**
 * Forward and backward passes over a minibatch. The first layer is linear in the embeddings, so each airport's row is
 * multiplied with its block of the weights once a minibatch instead of once a flight: the same numbers for a tenth of the work.
 */
export interface Propagation {
  /** Probabilities of the rows at `order[from..to)`; the array is reused by the next call. */
  readonly forward: (rows: Rows, order: Uint32Array, from: number, to: number) => Float32Array;
  /** Adds the gradients of the mean log loss of the rows last given to `forward`; returns the sum of their losses. */
  readonly backward: () => number;
}

export function createPropagation(network: Network, capacity: number): Propagation {
  const { shape, layers, embeddings } = network;
  const first = layers[0]!;
  const firstWidth = first.bias.values.length;
  const values = layers.map((layer) => new Float32Array(capacity * layer.bias.values.length));
  const slopes = layers.map((layer) => new Float32Array(capacity * layer.bias.values.length));
  const projected = shape.categorySizes.map((size) => new Float32Array(size * firstWidth));
  const projectedSlopes = shape.categorySizes.map((size) => new Float32Array(size * firstWidth));
  const blockOf = (category: number) => (shape.numberCount + category * shape.embedding) * firstWidth;
  const probabilities = new Float32Array(capacity);
  let batch: { rows: Rows; order: Uint32Array; from: number; count: number } | undefined;

  return {
    forward: (rows, order, from, to) => {
      batch = { rows, order, from, count: to - from };
      embeddings.forEach((table, c) => {
        projected[c]!.fill(0);
        multiplyAdd(table.values, first.weights.values, projected[c]!, {
          rows: table.shape[0]!,
          inner: shape.embedding,
          columns: firstWidth,
          offset: blockOf(c),
        });
      });
      readFirstLayer(values[0]!, batch, first, projected, shape.numberCount);
      for (let i = 1; i < layers.length; i++) {
        const { bias, weights } = layers[i]!;
        rectify(values[i - 1]!, batch.count * layers[i - 1]!.bias.values.length);
        repeat(bias.values, values[i]!, batch.count);
        multiplyAdd(values[i - 1]!, weights.values, values[i]!, {
          rows: batch.count,
          inner: weights.shape[0]!,
          columns: weights.shape[1]!,
          offset: 0,
        });
      }
      const scores = values.at(-1)!;
      for (let b = 0; b < batch.count; b++) probabilities[b] = 1 / (1 + Math.exp(-scores[b]!));
      return probabilities;
    },
    backward: () => {
      if (batch === undefined) throw new Error("backward was called before forward");
      const loss = startSlopes(slopes.at(-1)!, probabilities, batch);
      for (let i = layers.length - 1; i >= 1; i--) {
        backThroughLayer(layers[i]!, values[i - 1]!, slopes[i]!, slopes[i - 1]!, batch.count);
      }
      for (const table of projectedSlopes) table.fill(0);
      gatherFirstSlopes(slopes[0]!, batch, first, projectedSlopes, shape.numberCount);
      embeddings.forEach((table, c) => backThroughTable(table, first.weights, projectedSlopes[c]!, blockOf(c)));
      return loss;
    },
  };
}

interface Batch {
  readonly rows: Rows;
  readonly order: Uint32Array;
  readonly from: number;
  readonly count: number;
}

interface Extent {
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
  /** Where the right operand starts. */
  readonly offset: number;
}

/** `out += left · right`; zeros on the left, half of them after a ReLU, cost nothing. */
function multiplyAdd(left: Float32Array, right: Float32Array, out: Float32Array, extent: Extent): void {
  const { rows, inner, columns, offset } = extent;
  for (let r = 0; r < rows; r++) {
    const outRow = r * columns;
    for (let k = 0; k < inner; k++) {
      const factor = left[r * inner + k]!;
      if (factor === 0) continue;
      const rightRow = offset + k * columns;
      for (let j = 0; j < columns; j++) out[outRow + j] = out[outRow + j]! + factor * right[rightRow + j]!;
    }
  }
}

function rectify(values: Float32Array, length: number): void {
  for (let i = 0; i < length; i++) if (values[i]! < 0) values[i] = 0;
}

function repeat(bias: Float32Array, out: Float32Array, count: number): void {
  for (let b = 0; b < count; b++) out.set(bias, b * bias.length);
}

function readFirstLayer(
  out: Float32Array,
  { rows, order, from, count }: Batch,
  { weights, bias }: { readonly weights: Parameter; readonly bias: Parameter },
  projected: readonly Float32Array[],
  numberCount: number,
): void {
  const width = bias.values.length;
  repeat(bias.values, out, count);
  for (let b = 0; b < count; b++) {
    const row = order[from + b]!;
    for (let k = 0; k < numberCount; k++) {
      const factor = rows.numbers[row * numberCount + k]!;
      for (let j = 0; j < width; j++)
        out[b * width + j] = out[b * width + j]! + factor * weights.values[k * width + j]!;
    }
    for (let c = 0; c < projected.length; c++) {
      const table = projected[c]!;
      const at = rows.categories[row * projected.length + c]! * width;
      for (let j = 0; j < width; j++) out[b * width + j] = out[b * width + j]! + table[at + j]!;
    }
  }
}

/** Slope of the mean log loss at each score is (probability - label) / count. */
function startSlopes(slopes: Float32Array, probabilities: Float32Array, { rows, order, from, count }: Batch): number {
  let loss = 0;
  for (let b = 0; b < count; b++) {
    const label = rows.labels[order[from + b]!]!;
    const probability = probabilities[b]!;
    slopes[b] = (probability - label) / count;
    loss -= Math.log(Math.max(label === 1 ? probability : 1 - probability, 1e-12));
  }
  return loss;
}

/** `inputs` are the rectified values the layer read; an input at zero passes no slope back. */
function backThroughLayer(
  { weights, bias }: { readonly weights: Parameter; readonly bias: Parameter },
  inputs: Float32Array,
  slopes: Float32Array,
  inputSlopes: Float32Array,
  count: number,
): void {
  const [inner, columns] = [weights.shape[0]!, weights.shape[1]!];
  for (let b = 0; b < count; b++) {
    for (let j = 0; j < columns; j++) bias.gradient[j] = bias.gradient[j]! + slopes[b * columns + j]!;
    for (let k = 0; k < inner; k++) {
      const input = inputs[b * inner + k]!;
      let slope = 0;
      if (input > 0) {
        for (let j = 0; j < columns; j++) {
          const outputSlope = slopes[b * columns + j]!;
          slope += weights.values[k * columns + j]! * outputSlope;
          weights.gradient[k * columns + j] = weights.gradient[k * columns + j]! + input * outputSlope;
        }
      }
      inputSlopes[b * inner + k] = slope;
    }
  }
}

/** Gradients of the numbers' weights and the bias; the categories' slopes are summed by value for `backThroughTable`. */
function gatherFirstSlopes(
  slopes: Float32Array,
  { rows, order, from, count }: Batch,
  { weights, bias }: { readonly weights: Parameter; readonly bias: Parameter },
  tables: readonly Float32Array[],
  numberCount: number,
): void {
  const width = bias.values.length;
  for (let b = 0; b < count; b++) {
    const row = order[from + b]!;
    for (let j = 0; j < width; j++) bias.gradient[j] = bias.gradient[j]! + slopes[b * width + j]!;
    for (let k = 0; k < numberCount; k++) {
      const factor = rows.numbers[row * numberCount + k]!;
      for (let j = 0; j < width; j++) {
        weights.gradient[k * width + j] = weights.gradient[k * width + j]! + factor * slopes[b * width + j]!;
      }
    }
    for (let c = 0; c < tables.length; c++) {
      const table = tables[c]!;
      const at = rows.categories[row * tables.length + c]! * width;
      for (let j = 0; j < width; j++) table[at + j] = table[at + j]! + slopes[b * width + j]!;
    }
  }
}

function backThroughTable(table: Parameter, weights: Parameter, tableSlopes: Float32Array, offset: number): void {
  const [size, embedding] = [table.shape[0]!, table.shape[1]!];
  const width = weights.shape[1]!;
  for (let v = 0; v < size; v++) {
    for (let k = 0; k < embedding; k++) {
      const value = table.values[v * embedding + k]!;
      const at = offset + k * width;
      let slope = 0;
      for (let j = 0; j < width; j++) {
        const valueSlope = tableSlopes[v * width + j]!;
        slope += weights.values[at + j]! * valueSlope;
        weights.gradient[at + j] = weights.gradient[at + j]! + value * valueSlope;
      }
      table.gradient[v * embedding + k] = table.gradient[v * embedding + k]! + slope;
    }
  }
}
