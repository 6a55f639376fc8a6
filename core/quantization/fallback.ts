/** The share of the quantized layers' harm that one layer does: its signal-to-noise ratio when it alone is quantized, in decibels. */
export interface LayerHarm {
  readonly name: string;
  /** Null when the layer alone changes nothing. */
  readonly signalToNoiseDb: number | null;
}

/** Layers that do most harm first; those that do none last, equal ones by name. */
export function rankLayers(layers: readonly LayerHarm[]): string[] {
  const harm = ({ signalToNoiseDb }: LayerHarm) => signalToNoiseDb ?? Number.POSITIVE_INFINITY;
  const ranked = layers.toSorted((one, other) => {
    const [a, b] = [harm(one), harm(other)];
    return a === b ? (one.name < other.name ? -1 : 1) : a - b;
  });
  return ranked.map(({ name }) => name);
}

/**
 * Finds how few layers to give back to float: the worst first, one, two, four and so on until the rest is inside the tolerance, then by
 * halves back to the fewest, then each of them once more quantized, the least harmful first, for layers that only together do harm.
 * Takes about twice the logarithm of the number of layers and as many trials as layers were given back.
 *
 * @param ranked names, the worst first; to try it with none of them is the caller's
 * @param isInside tries with these layers in float; not asked twice for the same ones
 * @returns the layers in float, or undefined when not even all of them suffice
 */
export async function searchFallbacks(
  ranked: readonly string[],
  isInside: (fallbacks: readonly string[]) => Promise<boolean>,
): Promise<readonly string[] | undefined> {
  let outside = 0;
  let inside = 1;
  while (!(await isInside(ranked.slice(0, inside)))) {
    if (inside >= ranked.length) return undefined;
    outside = inside;
    inside = Math.min(2 * inside, ranked.length);
  }
  while (inside - outside > 1) {
    const middle = (inside + outside) >> 1;
    if (await isInside(ranked.slice(0, middle))) inside = middle;
    else outside = middle;
  }
  let fallbacks: readonly string[] = ranked.slice(0, inside);
  // The last one is needed: without it the search was outside.
  for (const name of ranked.slice(0, inside - 1).toReversed()) {
    const fewer = fallbacks.filter((other) => other !== name);
    if (await isInside(fewer)) fallbacks = fewer;
  }
  return fallbacks;
}
