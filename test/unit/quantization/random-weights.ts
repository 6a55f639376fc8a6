import { createRandom } from "../../../core/stats/random.ts";

/** Normal numbers, the same on every machine for the same seed. */
export function normals(seed: number, count: number, deviation = 1): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from({ length: count }, () => deviation * random.normal());
}
