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
  const counts = new Map<string, DecisionCount>();
  const units = new Map<string, CountedUnit>();
  for (const record of records) {
    addCount(counts, countOf(record));
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
  const sums = new Map<string, DecisionCount>();
  for (const count of given) addCount(sums, count);
  return [...sums.values()];
}

function addCount(sums: Map<string, DecisionCount>, count: DecisionCount): void {
  const { endpoint, epoch, arm, assigned, byUnit, versionId, minuteMs } = count;
  const key = `${endpoint} ${epoch} ${arm} ${assigned} ${byUnit} ${versionId} ${minuteMs}`;
  const sum = sums.get(key);
  if (!sum) {
    sums.set(key, count);
    return;
  }
  sums.set(key, {
    ...sum,
    requests: sum.requests + count.requests,
    errors: sum.errors + count.errors,
    sheds: sum.sheds + count.sheds,
    slow: sum.slow + count.slow,
    latencies: add(sum.latencies, count.latencies),
    ranges: add(sum.ranges, count.ranges),
  });
}

const add = (left: readonly number[], right: readonly number[]): number[] =>
  Array.from({ length: Math.max(left.length, right.length) }, (_, index) => (left[index] ?? 0) + (right[index] ?? 0));

function countOf(record: RequestRecord): DecisionCount {
  const { endpoint, epoch, arm, assigned, versionId, judged, latencyMs, outcome } = record;
  const above = LATENCY_BOUNDS_MS.findIndex((bound) => latencyMs <= bound);
  const place = above === -1 ? LATENCY_BOUNDS_MS.length : above;
  return {
    endpoint,
    epoch,
    arm,
    assigned,
    byUnit: isUnit(record),
    versionId,
    minuteMs: Math.floor(record.atMs / MINUTE_MS) * MINUTE_MS,
    requests: 1,
    errors: outcome === "ok" ? 0 : 1,
    sheds: outcome === "shed" ? 1 : 0,
    slow: judged?.slow ? 1 : 0,
    latencies: Array.from({ length: LATENCY_BOUNDS_MS.length + 1 }, (_, index) => (index === place ? 1 : 0)),
    ranges: Array.from({ length: judged?.ranges ?? 0 }, (_, index) => (index === judged?.range ? 1 : 0)),
  };
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
