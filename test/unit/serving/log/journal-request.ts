import type { JournalRequest } from "../../../../serving/log/journal-line.ts";

/** A request of one row that the champion answered. */
export const request = (id: string, fields: Partial<JournalRequest> = {}): JournalRequest => ({
  id,
  endpoint: "delay",
  epoch: 1,
  assigned: true,
  arm: "champion",
  versionId: "v",
  routingKeyHash: null,
  atMs: 0,
  latencyMs: 1,
  outcome: "ok",
  rowCount: 1,
  scores: Float32Array.of(0.5),
  threshold: 0.5,
  judged: null,
  fields: null,
  sampled: true,
  ...fields,
});
