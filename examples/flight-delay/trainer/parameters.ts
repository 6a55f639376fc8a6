import { createRandom } from "./random.ts";

/** One tensor that training changes, with its gradient and Adam's running moments. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
  readonly gradient: Float32Array;
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;
}

/** Normal initial values of the given deviation; 0 starts at zero. Each parameter draws from a seed of its own. */
export function createParameter(name: string, shape: readonly number[], deviation: number, seed: number): Parameter {
  const size = shape.reduce((product, length) => product * length, 1);
  const values = new Float32Array(size);
  if (deviation > 0) {
    const random = createRandom(seed);
    for (let i = 0; i < size; i++) values[i] = deviation * random.normal();
  }
  return {
    name,
    shape,
    values,
    gradient: new Float32Array(size),
    firstMoment: new Float32Array(size),
    secondMoment: new Float32Array(size),
  };
}

const FIRST_DECAY = 0.9;
const SECOND_DECAY = 0.999;

/** One step of Adam (Kingma and Ba 2015) with decoupled weight decay; `step` counts from 1. Clears the gradients. */
export function adamStep(
  parameters: readonly Parameter[],
  options: { readonly learningRate: number; readonly weightDecay: number; readonly step: number },
): void {
  const { learningRate, weightDecay, step } = options;
  const rate = (learningRate * Math.sqrt(1 - SECOND_DECAY ** step)) / (1 - FIRST_DECAY ** step);
  const keep = 1 - learningRate * weightDecay;
  for (const { values, gradient, firstMoment, secondMoment } of parameters) {
    for (let i = 0; i < values.length; i++) {
      const slope = gradient[i]!;
      const first = FIRST_DECAY * firstMoment[i]! + (1 - FIRST_DECAY) * slope;
      const second = SECOND_DECAY * secondMoment[i]! + (1 - SECOND_DECAY) * slope * slope;
      firstMoment[i] = first;
      secondMoment[i] = second;
      values[i] = keep * values[i]! - (rate * first) / (Math.sqrt(second) + 1e-8);
      gradient[i] = 0;
    }
  }
}
