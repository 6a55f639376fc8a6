/** A stream of pseudo-random numbers, the same for the same seed on every machine. */
export interface Random {
  /** Uniform in [0, 1), 53 bits. */
  uniform(): number;
  /** Uniform among 0 .. `below` - 1. */
  integer(below: number): number;
  /** Standard normal. */
  normal(): number;
  /** Poisson with the given mean; from a mean of 64 on a rounded normal, whose counts are within 1 % of the spread. */
  poisson(mean: number): number;
}

/**
 * Seeded generator xoshiro128** whose state is filled by splitmix32, so that neighbouring seeds give unrelated streams.
 *
 * For simulation and resampling, never for secrets. `seed` is an integer; its low 53 bits count. Source: Blackman and Vigna,
 * "Scrambled linear pseudorandom number generators" (2021). Checked against an independent Python version.
 */
export function createRandom(seed: number): Random {
  const state = new Uint32Array(4);
  const mix = splitmix32(seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0);
  for (let word = 0; word < 4; word++) state[word] = mix();
  let spare = Number.NaN;

  const bits = (): number => {
    const result = Math.imul(rotate(Math.imul(state[1]!, 5), 7), 9) >>> 0;
    const shifted = state[1]! << 9;
    state[2]! ^= state[0]!;
    state[3]! ^= state[1]!;
    state[1]! ^= state[2]!;
    state[0]! ^= state[3]!;
    state[2]! ^= shifted;
    state[3] = rotate(state[3]!, 11);
    return result;
  };
  const uniform = () => ((bits() >>> 5) * 2 ** 26 + (bits() >>> 6)) / 2 ** 53;

  /** Marsaglia's polar method: two normals a round, the second kept for the next call. */
  const normal = (): number => {
    if (!Number.isNaN(spare)) {
      const kept = spare;
      spare = Number.NaN;
      return kept;
    }
    for (;;) {
      const x = 2 * uniform() - 1;
      const y = 2 * uniform() - 1;
      const square = x * x + y * y;
      if (square >= 1 || square === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(square)) / square);
      spare = y * factor;
      return x * factor;
    }
  };

  const poisson = (mean: number): number => {
    if (mean >= 64) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal()));
    const limit = Math.exp(-mean);
    let count = 0;
    for (let product = uniform(); product > limit; product *= uniform()) count++;
    return count;
  };

  return { uniform, normal, poisson, integer: (below) => Math.floor(uniform() * below) };
}

const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by));

/** Stafford's 32-bit mix over a Weyl sequence; the high half of the seed enters as a second round. */
function splitmix32(low: number, high: number): () => number {
  let state = (low ^ Math.imul(high, 0x85ebca6b)) >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
}
