import type { DefinedEstimate } from "./estimate.ts";
import { createEstimate } from "./estimate.ts";
import { criticalZ } from "../stats/critical-z.ts";

interface PairedCounts {
  /** Rows only the challenger gets right. */
  readonly gained: number;
  /** Rows only the champion gets right. */
  readonly lost: number;
  readonly rowCount: number;
}

/**
 * Difference of two shares on the same rows with the interval of Bonett and Price: normal, half a row added to each of
 * the four cells, so that it keeps its coverage (and a width) when the models hardly differ.
 *
 * Positive when the challenger is right more often. `rowCount` is at least 1. Source: Bonett and Price, Psychological Methods 17
 * (2012). Only the rows on which the models differ carry evidence, as in McNemar's test.
 */
export function pairedShareDifference({ gained, lost, rowCount }: PairedCounts, confidence: number): DefinedEstimate {
  const gainedShare = (gained + 1) / (rowCount + 2);
  const lostShare = (lost + 1) / (rowCount + 2);
  const centre = gainedShare - lostShare;
  const halfWidth = criticalZ(confidence) * Math.sqrt((gainedShare + lostShare - centre * centre) / (rowCount + 2));
  return createEstimate({
    estimate: (gained - lost) / rowCount,
    interval: [centre - halfWidth, centre + halfWidth],
    range: [-1, 1],
    confidence,
    sampleCount: rowCount,
    method: { interval: "Bonett-Price paired", gained, lost },
  });
}
