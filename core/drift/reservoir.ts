import type { Random } from "../stats/random.ts";

export interface Reservoir {
  /** NaN (null) and infinities are passed over. */
  readonly add: (values: Float64Array) => void;
  /** The kept values in ascending order; a copy. */
  readonly sorted: () => Float64Array;
}

/**
 * A uniform sample of at most `capacity` finite values out of a stream of unknown length; all of them while they fit, and then
 * the result does not depend on their order. Bounded memory is why edges come from a sample; counts never do.
 * Source: Vitter, algorithm R (1985).
 */
export function createReservoir(capacity: number, random: Random): Reservoir {
  let kept = new Float64Array(Math.min(capacity, 1024));
  let size = 0;
  let seen = 0;
  return {
    add: (values) => {
      for (const value of values) {
        if (!Number.isFinite(value)) continue;
        seen += 1;
        if (size < capacity) {
          if (size === kept.length) kept = grow(kept, capacity);
          kept[size++] = value;
        } else {
          const place = random.integer(seen);
          if (place < capacity) kept[place] = value;
        }
      }
    },
    sorted: () => kept.slice(0, size).sort(),
  };
}

function grow(values: Float64Array, capacity: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(Math.min(capacity, values.length * 2));
  larger.set(values);
  return larger;
}
