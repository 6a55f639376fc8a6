/** Counts different finite numbers exactly, up to a bound. */
export interface DistinctNumbers {
  readonly add: (values: Float64Array) => void;
  /** Null once there were more than the bound. */
  readonly count: () => number | null;
}

/**
 * A hash set of doubles in typed arrays: JavaScript's own Set boxes each fraction, which made counting distinct values the
 * dearest part of summarising a million rows. NaN marks a free slot, as NaN and infinities are not counted; 0 and -0 are one.
 */
export function createDistinctNumbers(most: number): DistinctNumbers {
  let slots = new Float64Array(1024).fill(NaN);
  let count = 0;
  const number = new Float64Array(1);
  const halves = new Uint32Array(number.buffer);

  const insert = (value: number): void => {
    number[0] = value;
    const mixed = Math.imul(halves[0]! ^ Math.imul(halves[1]!, 0x9e3779b1), 0x85ebca6b);
    const mask = slots.length - 1;
    let slot = (mixed ^ (mixed >>> 15)) & mask;
    for (; slots[slot] !== value; slot = (slot + 1) & mask) {
      if (!Number.isNaN(slots[slot]!)) continue;
      slots[slot] = value;
      count++;
      return;
    }
  };
  const grow = (): void => {
    const old = slots;
    slots = new Float64Array(old.length * 4).fill(NaN);
    count = 0;
    for (const value of old) if (!Number.isNaN(value)) insert(value);
  };

  return {
    add(values) {
      let last = NaN;
      for (let row = 0; row < values.length; row++) {
        if (count > most) return;
        const value = values[row]! + 0;
        // Sorted columns repeat themselves.
        if (value === last || !Number.isFinite(value)) continue;
        last = value;
        insert(value);
        if (count * 2 > slots.length) grow();
      }
    },
    count: () => (count > most ? null : count),
  };
}
