import {
  LATENCY_BOUNDS_MS,
  type CountedUnit,
  type DecisionCount,
  type PredictionRecord,
  type RequestRecord,
} from "../../contracts/inference.ts";

/** What becomes of requests: counts that are never sampled, and rows of those that were. */
export interface Tally {
  readonly counts: readonly DecisionCount[];
  readonly units: readonly CountedUnit[];
  readonly rows: readonly PredictionRecord[];
}

const MINUTE_MS = 60_000;

/** Adds requests up. Equal requests are one count; of a routing key the first request of an epoch is kept. */
export function tallyRequests(records: readonly RequestRecord[]): Tally {
  const counts = new Map<string, Sum>();
  const units = new Map<string, CountedUnit>();
  for (const record of records) {
    countRequest(counts, record);
    const unit = unitOf(record);
    if (!unit) continue;
    const key = `${unit.epoch} ${unit.unit} ${unit.endpoint}`;
    const found = units.get(key);
    if (!found || unit.atMs < found.atMs) units.set(key, unit);
  }
  return {
    counts: [...counts.values()],
    units: [...units.values()],
    rows: records.filter(({ sampled }) => sampled).flatMap(rowsOf),
  };
}

/** Adds counts of the same requests' kind and minute up. */
export function addCounts(given: readonly DecisionCount[]): DecisionCount[] {
  const sums = new Map<string, Sum>();
  for (const count of given) {
    const sum = sumOf(sums, count, count.minuteMs, count.byUnit);
    sum.requests += count.requests;
    sum.errors += count.errors;
    sum.sheds += count.sheds;
    sum.slow += count.slow;
    count.latencies.forEach((requests, place) => add(sum.latencies, place, requests));
    count.ranges.forEach((answers, place) => add(sum.ranges, place, answers));
  }
  return [...sums.values()];
}

/** A count that grows. */
type Sum = { -readonly [Name in keyof DecisionCount]: DecisionCount[Name] } & {
  readonly latencies: number[];
  readonly ranges: number[];
};

/** The sum that requests of this kind and minute belong to. */
function sumOf(
  sums: Map<string, Sum>,
  {
    endpoint,
    epoch,
    arm,
    assigned,
    versionId,
  }: Pick<RequestRecord, "endpoint" | "epoch" | "arm" | "assigned" | "versionId">,
  minuteMs: number,
  byUnit: boolean,
): Sum {
  const key = `${endpoint} ${epoch} ${arm} ${assigned} ${byUnit} ${versionId} ${minuteMs}`;
  const known = sums.get(key);
  if (known) return known;
  const kind = { endpoint, epoch, arm, assigned, byUnit, versionId, minuteMs };
  const sum: Sum = { ...kind, requests: 0, errors: 0, sheds: 0, slow: 0, latencies: [], ranges: [] };
  sums.set(key, sum);
  return sum;
}

/** In place: a list for each request would cost more than adding it up. */
function add(counts: number[], place: number, more: number): void {
  while (counts.length <= place) counts.push(0);
  counts[place] = (counts[place] ?? 0) + more;
}

function countRequest(sums: Map<string, Sum>, record: RequestRecord): void {
  const { judged, latencyMs, outcome } = record;
  const sum = sumOf(sums, record, Math.floor(record.atMs / MINUTE_MS) * MINUTE_MS, isUnit(record));
  sum.requests += 1;
  if (outcome !== "ok") sum.errors += 1;
  if (outcome === "shed") sum.sheds += 1;
  if (judged?.slow) sum.slow += 1;
  const above = LATENCY_BOUNDS_MS.findIndex((bound) => latencyMs <= bound);
  add(sum.latencies, above === -1 ? LATENCY_BOUNDS_MS.length : above, 1);
  // Told whole, also where none was that long or in that range.
  add(sum.latencies, LATENCY_BOUNDS_MS.length, 0);
  if (!judged || judged.ranges === 0) return;
  add(sum.ranges, judged.ranges - 1, 0);
  if (judged.range !== null) add(sum.ranges, judged.range, 1);
}

const isUnit = ({ judged, assigned, routingKeyHash }: RequestRecord): boolean =>
  judged !== null && assigned && routingKeyHash !== null;

function unitOf(record: RequestRecord): CountedUnit | null {
  const { endpoint, epoch, arm, atMs, judged, routingKeyHash, outcome, decisions } = record;
  if (!judged || routingKeyHash === null || !isUnit(record)) return null;
  return {
    endpoint,
    epoch,
    arm,
    atMs,
    unit: routingKeyHash,
    inferenceId: rowId(record, 0),
    outcome: outcome === "ok" ? "ok" : "error",
    slow: judged.slow,
    range: judged.range,
    decision: decisions[0] ?? null,
  };
}

export function rowsOf(record: RequestRecord): PredictionRecord[] {
  const { endpoint, epoch, assigned, arm, versionId, routingKeyHash, latencyMs } = record;
  const shared = { endpoint, epoch, assigned, arm, versionId, routingKeyHash, latencyMs, at: new Date(record.atMs) };
  const outcome = record.outcome === "ok" ? "ok" : "error";
  return Array.from({ length: record.rowCount }, (_, row) => ({
    ...shared,
    inferenceId: rowId(record, row),
    requestRow: row,
    outcome,
    score: record.scores[row] ?? null,
    decision: record.decisions[row] ?? null,
    fields: record.fields?.[row] ?? null,
  }));
}

const rowId = ({ id, rowCount }: RequestRecord, row: number): string => (rowCount === 1 ? id : `${id}/${row}`);
