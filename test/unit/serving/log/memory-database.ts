import type { LogBatch } from "../../../../contracts/inference.ts";

/** A database of one table that takes each byte of a spool once. */
export function memoryDatabase() {
  const places = new Map<string, number>();
  const batches: LogBatch[] = [];
  const state: { away: boolean; loseAnswers: number; refused: string | null } = {
    away: false,
    loseAnswers: 0,
    refused: null,
  };
  return {
    state,
    places,
    batches,
    ids: () => batches.flatMap(({ rows }) => rows.map(({ inferenceId }) => inferenceId)),
    requests: () => batches.flatMap(({ counts }) => counts).reduce((sum, count) => sum + count.requests, 0),
    ship: async (batch: LogBatch): Promise<number> => {
      await Promise.resolve();
      if (state.away) throw new Error("away");
      if (batch.rows.some(({ inferenceId }) => inferenceId === state.refused)) throw new RangeError("refused");
      const place = places.get(batch.spool) ?? 0;
      if (batch.fromByte < place) return place;
      places.set(batch.spool, batch.toByte);
      batches.push(batch);
      if (state.loseAnswers-- > 0) throw new Error("the answer was lost");
      return batch.toByte;
    },
  };
}
