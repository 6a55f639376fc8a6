import type { EvaluationReport } from "../../contracts/evaluation.ts";
import type { LineageRole, Verdict } from "../../contracts/names.ts";
import { rolloutPlanSchema } from "../../contracts/rollout.ts";
import { modelFactsSchema, modelSignatureSchema } from "../../contracts/signature.ts";
import { lifecycleSpecSchema, type LifecycleSpec } from "../../contracts/spec.ts";
import { digestOf } from "../../db/canonical.ts";
import type { Database, Transaction } from "../../db/client.ts";
import { createId } from "../../db/identifiers.ts";
import { recordApproval, type Approval } from "../../db/queries/approval.ts";
import { loadApprovalCase } from "../../db/queries/approval-case.ts";
import { registerArtifact } from "../../db/queries/artifact.ts";
import { ensureEndpoint } from "../../db/queries/endpoint.ts";
import { recordEvaluation, type Evaluation } from "../../db/queries/evaluation.ts";
import { createLifecycle, setLifecycleStatus, type Lifecycle } from "../../db/queries/lifecycle.ts";
import { recordExecution, type ExecutionContext } from "../../db/queries/lineage/record-execution.ts";
import { ensureModel, type ModelVersion, type VersionProvenance, type VersionRequest } from "../../db/queries/model.ts";
import { startStageRun } from "../../db/queries/stage-run.ts";
import { recordRows } from "../../db/record-rows.ts";
import { modelVersion } from "../../db/schema/model.ts";
import { audited } from "../support/audited.ts";

export const signature = modelSignatureSchema.parse({
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 1], features: [{ kind: "number", column: "distance" }] }],
  outputs: [{ name: "p", datatype: "FP32", shape: [-1] }],
  label: "late",
  prediction: { kind: "binary", output: "p" },
});

export const facts = modelFactsSchema.parse({
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 1] }],
  outputs: [{ name: "p", datatype: "FP32", shape: [-1] }],
  opset: 21,
  nodeCount: 1,
  operators: ["Sigmoid"],
  parameterCount: 0,
  sizeBytes: 100,
});

export const plan = rolloutPlanSchema.parse({});

export const specFor = (model: string): LifecycleSpec =>
  lifecycleSpecSchema.parse({
    model: { name: model },
    data: {
      source: { path: "flights.parquet" },
      select: { date: "date", distance: "distance", late: "delay > 15" },
      time: "date",
      label: "late",
      windows: {
        training: { from: "2001-01-01", to: "2001-04-01" },
        evaluation: { from: "2001-04-01", to: "2001-05-01" },
      },
    },
    training: { command: ["node", "train.ts"] },
    evaluation: { gates: [{ metric: "roc-auc", atLeast: 0.6 }] },
    deployment: { endpoint: `${model}-endpoint` },
  });

/** A digest that stands for some bytes. */
export const digest = (text: string): string => digestOf(text);

export async function addArtifact(tx: Transaction, text: string): Promise<string> {
  const name = digest(text);
  await registerArtifact(tx, { digest: name, kind: "model", sizeBytes: text.length, mediaType: "text/plain" });
  return name;
}

type InsertedVersion = VersionRequest & { readonly artifact: string };
/** A version alone: what was made from what the tests of lineage tell themselves. */
export async function insertVersion(tx: Transaction, { key, ...values }: InsertedVersion): Promise<ModelVersion> {
  const [version] = await recordRows(tx, modelVersion, [{ ...values, ...key, id: createId(), number: 0 }]);
  if (!version) throw new Error(`${values.model} has the version already`);
  return version;
}

/** How a version comes that nobody's lifecycle made. */
export const provenance = (): VersionProvenance => ({
  frame: { lifecycle: null, context: executionContext },
  used: [],
  trainingData: null,
  statement: null,
});

/** A model with one version of its own bytes, outside any lifecycle. */
export async function addVersion(db: Database, model: string, bytes: string, createdBy = "ada"): Promise<ModelVersion> {
  return await audited(db).transaction(async (tx) => {
    await ensureModel(tx, model);
    return await insertVersion(tx, {
      model,
      artifact: await addArtifact(tx, bytes),
      signature,
      origin: "registered",
      parentVersion: null,
      facts,
      createdBy,
      key: null,
    });
  });
}

/** Somebody's approval of a version for an environment, over its present evidence. */
export async function addApproval(
  tx: Transaction,
  on: { versionId: string; environment: string | null },
  by: string,
): Promise<Approval> {
  const { evidence, version } = await loadApprovalCase(tx, on);
  if (!evidence) throw new Error("nothing to approve");
  const author = version.createdBy;
  const given = {
    evidence,
    author,
    decision: "approve",
    by,
    reason: "read the report",
    roles: [],
    statement: null,
  } as const;
  const made = await recordApproval(tx, given);
  if (!made) throw new Error("approved before");
  return made;
}

export async function addLifecycle(db: Database, id: string, model: string, startedBy = "ada"): Promise<Lifecycle> {
  return await audited(db).transaction(async (tx) => {
    await ensureModel(tx, model);
    return await createLifecycle(tx, { id, spec: specFor(model), startedBy, reason: "", causedBy: null });
  });
}

export function reportFor(version: ModelVersion, data: string, verdict: Verdict = "pass"): EvaluationReport {
  const { evaluation: settings } = specFor(version.model);
  const [gate] = settings.gates;
  const observed = {
    kind: "estimate",
    estimate: 0.7,
    interval: [0.68, 0.72],
    confidence: 0.95,
    sampleCount: 1000,
    method: { interval: "delong" },
  } as const;
  const undefinedValue = { kind: "undefined", reason: "no predicted positives", sampleCount: 10 } as const;
  const curves = { roc: [], precisionRecall: [], reliability: [] };
  return {
    model: version.artifact,
    champion: null,
    data,
    rowCount: 1000,
    positiveCount: 200,
    settings,
    metrics: [
      { metric: "roc-auc", value: { ...observed, interval: [0.68, 0.72] } },
      { metric: "precision", value: undefinedValue },
    ],
    slices: [
      { column: "origin", value: "SFO", rowCount: 10, metrics: [{ metric: "precision", value: undefinedValue }] },
    ],
    comparison: [],
    gates: gate
      ? [
          {
            gate,
            verdict,
            reason: "0.68 is at least 0.6",
            slice: "overall",
            observed: { ...observed, interval: [0.68, 0.72] },
          },
        ]
      : [],
    verdict,
    curves,
    championCurves: null,
  };
}

/** An evaluation in a lifecycle of its own, which has completed. */
export async function addEvaluation(
  db: Database,
  version: ModelVersion,
  verdict: Verdict = "pass",
): Promise<Evaluation> {
  const id = `evaluation-${createId()}`;
  await addLifecycle(db, id, version.model);
  const stageRun = await addEvaluationStage(db, id);
  return await audited(db).transaction(async (tx) => {
    await setLifecycleStatus(tx, { id, status: "completed" });
    return await recordEvaluation(tx, {
      stageRun,
      modelVersion: version.id,
      championVersion: null,
      reportDigest: null,
      report: reportFor(version, await addArtifact(tx, "evaluation data"), verdict),
    });
  });
}

/** Refs with the roles they play. */
export type Parts = Readonly<Record<string, LineageRole>>;

export interface SampleExecution {
  readonly used: Parts;
  readonly generated: Parts;
  readonly lifecycle?: string | null;
}

/** Of no workflow that ever ran. */
export const executionContext: ExecutionContext = {
  workflowId: "w",
  runId: "r",
  activityId: "1",
  attempt: 1,
  codeDigest: digest("code"),
};

/** An execution nobody did. */
export async function execute(
  tx: Transaction,
  { used, generated, lifecycle = null }: SampleExecution,
): Promise<number> {
  const parts = (given: Parts) => Object.entries(given).map(([ref, role]) => ({ ref, role }));
  return await recordExecution(tx, {
    kind: "train",
    lifecycle,
    context: executionContext,
    parameters: {},
    used: parts(used),
    generated: parts(generated),
  });
}

/** A lifecycle whose evaluation stage has started. */
export async function addEvaluationStage(db: Database, lifecycle: string): Promise<string> {
  const run = await audited(db).transaction((tx) => startStageRun(tx, { lifecycle, stage: "evaluate", round: 1 }));
  return run.id;
}

export async function addEndpoint(db: Database, name: string, model: string, environment: string): Promise<void> {
  await audited(db).transaction((tx) => ensureEndpoint(tx, { name, environment, model }));
}
