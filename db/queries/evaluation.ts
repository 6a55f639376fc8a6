import { and, asc, desc, eq, getTableColumns } from "drizzle-orm";

import type { EvaluationReport, MetricResult } from "../../contracts/evaluation.ts";
import type { Queryable, Transaction } from "../client.ts";
import { createId } from "../identifiers.ts";
import { recordRows } from "../record-rows.ts";
import { evaluation, gateVerdict, metricValue } from "../schema/evaluation.ts";
import { lifecycle, stageRun } from "../schema/lifecycle.ts";
import { modelVersion } from "../schema/model.ts";

export type Evaluation = typeof evaluation.$inferSelect;
export type MetricValue = typeof metricValue.$inferSelect;
export type GateVerdict = typeof gateVerdict.$inferSelect;

export interface EvaluationRequest {
  /** Null outside a lifecycle. Inside one the report's settings are the accepted spec's, or the database refuses. */
  readonly stageRun: string | null;
  readonly modelVersion: string;
  readonly championVersion: string | null;
  /** Artifact that holds the whole report, registered before. */
  readonly reportDigest: string | null;
  /** Of exactly the version's bytes; its data is a registered artifact; gates in the order of its settings. */
  readonly report: EvaluationReport;
}

/**
 * Records an evaluation with every metric value and gate verdict. A stage run evaluates a version once: again, and the first
 * record is returned. The database refuses a `pass` whose gates did not all pass when the transaction commits.
 */
export async function recordEvaluation(tx: Transaction, request: EvaluationRequest): Promise<Evaluation> {
  const { stageRun, modelVersion, championVersion, reportDigest, report } = request;
  const [made] = await recordRows(tx, evaluation, [
    {
      id: createId(),
      stageRun,
      modelVersion,
      modelDigest: report.model,
      championVersion,
      dataDigest: report.data,
      reportDigest,
      verdict: report.verdict,
      settings: report.settings,
      rowCount: report.rowCount,
    },
  ]);
  if (!made) return await requireRecorded(tx, stageRun, modelVersion);
  await insertMetrics(tx, made.id, report);
  const gates = report.gates.map((result, position) => ({ evaluation: made.id, position, ...result }));
  await recordRows(tx, gateVerdict, gates);
  return made;
}

async function requireRecorded(tx: Transaction, stageRun: string | null, modelVersion: string): Promise<Evaluation> {
  const [found] = await tx
    .select()
    .from(evaluation)
    .where(and(eq(evaluation.stageRun, stageRun ?? ""), eq(evaluation.modelVersion, modelVersion)));
  if (!found) throw new Error(`evaluation of version ${modelVersion} vanished`);
  return found;
}

async function insertMetrics(tx: Transaction, id: string, report: EvaluationReport): Promise<void> {
  const rows = [
    ...report.metrics.map((result) => metricRow(id, "", "", result)),
    ...report.slices.flatMap(({ column, value, metrics }) =>
      metrics.map((result) => metricRow(id, column, value, result)),
    ),
  ];
  await recordRows(tx, metricValue, rows);
}

function metricRow(
  id: string,
  sliceColumn: string,
  sliceValue: string,
  { metric, value }: MetricResult,
): typeof metricValue.$inferInsert {
  const where = { evaluation: id, metric, sliceColumn, sliceValue, sampleCount: value.sampleCount };
  if (value.kind === "undefined") return { ...where, undefinedReason: value.reason };
  const [low, high] = value.interval;
  return { ...where, estimate: value.estimate, low, high };
}

/**
 * The newest passing evaluation of a version by gates fixed before it, that is in a lifecycle of its model, or null: what lets
 * it serve where evidence is asked for.
 */
export async function findPassingEvaluation(db: Queryable, versionId: string): Promise<Evaluation | null> {
  const [found] = await db
    .select(getTableColumns(evaluation))
    .from(evaluation)
    .innerJoin(modelVersion, eq(modelVersion.id, evaluation.modelVersion))
    .innerJoin(stageRun, eq(stageRun.id, evaluation.stageRun))
    .innerJoin(lifecycle, and(eq(lifecycle.id, stageRun.lifecycle), eq(lifecycle.model, modelVersion.model)))
    .where(and(eq(evaluation.modelVersion, versionId), eq(evaluation.verdict, "pass")))
    .orderBy(desc(evaluation.createdAt), desc(evaluation.id))
    .limit(1);
  return found ?? null;
}

export interface EvaluationRecord extends Evaluation {
  readonly metrics: readonly MetricValue[];
  readonly gates: readonly GateVerdict[];
}

/** An evaluation with its rows, whole data first, or null. */
export async function loadEvaluation(db: Queryable, id: string): Promise<EvaluationRecord | null> {
  const [found] = await db.select().from(evaluation).where(eq(evaluation.id, id));
  if (!found) return null;
  const metrics = await db
    .select()
    .from(metricValue)
    .where(eq(metricValue.evaluation, id))
    .orderBy(asc(metricValue.sliceColumn), asc(metricValue.sliceValue), asc(metricValue.metric));
  const gates = await db
    .select()
    .from(gateVerdict)
    .where(eq(gateVerdict.evaluation, id))
    .orderBy(asc(gateVerdict.position));
  return { ...found, metrics, gates };
}
