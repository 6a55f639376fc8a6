import { aliasedTable, and, desc, eq, lte, sql, type SQL } from "drizzle-orm";

import type { Verdict } from "../../contracts/names.ts";
import type { Queryable } from "../client.ts";
import { evaluation } from "../schema/evaluation.ts";
import { lifecycle } from "../schema/lifecycle.ts";
import { modelVersion } from "../schema/model.ts";
import { feedback, prediction } from "../schema/prediction.ts";
import { rollout } from "../schema/rollout.ts";
import { endpoint, promotion, routingEpoch } from "../schema/routing.ts";
import type { Approval } from "./approval.ts";
import { listApprovals } from "./approval-case.ts";
import { listBrokenGlass, type BrokenGlass } from "./break-glass.ts";
import type { Evaluation } from "./evaluation.ts";
import type { LifecycleSummary } from "./lifecycle.ts";
import type { ModelVersion } from "./model.ts";
import { isPrediction, type Prediction } from "./prediction.ts";
import type { Rollout } from "./rollout.ts";
import { loadProofs, type StatementProof } from "./signed-statement.ts";

/** A dataset snapshot upstream of the version, and its source. */
export interface UsedSnapshot {
  readonly digest: string;
  /** Parts it played: `training-data`, ... */
  readonly roles: readonly string[];
  readonly rowCount: number;
  readonly window: { readonly from: string; readonly to: string } | null;
  readonly sourcePath: string;
  readonly sourceDigest: string | null;
}

interface Decided {
  /** The rollout that brought the version to the endpoint; null when none did. */
  readonly entitledBy: Pick<Rollout, "id" | "endpoint" | "canaryVersion"> | null;
  /** What had been decided about the version for this environment when the epoch began, oldest first. */
  readonly approvals: readonly Approval[];
  /** Glass that was broken for the version to get into this environment. */
  readonly brokenGlass: readonly BrokenGlass[];
  /** Statements signed for these. */
  readonly proofs: readonly StatementProof[];
}

export interface PredictionExplanation extends Decided {
  readonly prediction: Prediction;
  /** What came true, once known. */
  readonly label: number | null;
  readonly environment: string;
  readonly epoch: typeof routingEpoch.$inferSelect;
  readonly version: ModelVersion;
  readonly parentVersion: ModelVersion | null;
  /** The passing evaluation on record for this epoch; null where the environment asks for none and there is none. */
  readonly evaluation: Evaluation | null;
  /** Gates of that evaluation, in order. */
  readonly gates: readonly { readonly metric: string; readonly verdict: Verdict; readonly reason: string }[];
  /** The lifecycle that made the version; null for one registered by hand. */
  readonly lifecycle: Omit<LifecycleSummary, "statusAt" | "failureCode"> | null;
  /** All that lies upstream of the version, also behind the champion it was compared with and the drift that caused it. */
  readonly snapshots: readonly UsedSnapshot[];
  /** Digests of the snapshots that this version, or the one it was optimized from, was trained on. */
  readonly trainingData: readonly string[];
}

/** The whole chain behind one prediction, or null when it is not logged. */
export async function explainPrediction(db: Queryable, inferenceId: string): Promise<PredictionExplanation | null> {
  const parent = aliasedTable(modelVersion, "parent");
  const rows = await db
    .select({
      prediction,
      label: feedback.label,
      environment: endpoint.environment,
      epoch: routingEpoch,
      version: modelVersion,
      parentVersion: parent,
      evaluation,
      gates: gatesOf(evaluation.id),
      lifecycle: {
        id: lifecycle.id,
        model: lifecycle.model,
        specDigest: lifecycle.specDigest,
        startedBy: lifecycle.startedBy,
        reason: lifecycle.reason,
        causedBy: lifecycle.causedBy,
        status: lifecycle.status,
        outcome: lifecycle.outcome,
        startedAt: lifecycle.startedAt,
        finishedAt: lifecycle.finishedAt,
      },
      snapshots: snapshotsOf(versionRef),
      trainingData: trainingDataOf(versionRef),
    })
    .from(prediction)
    .innerJoin(
      routingEpoch,
      and(eq(routingEpoch.endpoint, prediction.endpoint), eq(routingEpoch.epoch, prediction.epoch)),
    )
    .innerJoin(endpoint, eq(endpoint.name, prediction.endpoint))
    .innerJoin(modelVersion, eq(modelVersion.id, prediction.modelVersion))
    .leftJoin(parent, eq(parent.id, modelVersion.parentVersion))
    .leftJoin(
      promotion,
      and(
        eq(promotion.endpoint, prediction.endpoint),
        eq(promotion.epoch, prediction.epoch),
        eq(promotion.version, prediction.modelVersion),
      ),
    )
    .leftJoin(evaluation, eq(evaluation.id, promotion.evaluation))
    .leftJoin(lifecycle, eq(lifecycle.id, modelVersion.lifecycle))
    .leftJoin(feedback, eq(feedback.inferenceId, prediction.inferenceId))
    .where(isPrediction(inferenceId))
    .limit(1);
  // The builder's types give up on so many joins.
  const [found] = rows as Omit<PredictionExplanation, keyof Decided>[];
  return found ? { ...found, ...(await loadDecided(db, found)) } : null;
}

/** What people decided before a version got its traffic, and by which rollout it did. */
async function loadDecided(
  db: Queryable,
  { version, environment, epoch }: Pick<PredictionExplanation, "version" | "environment" | "epoch">,
): Promise<Decided> {
  const decided = await listApprovals(db, { version, environment });
  const broken = await listBrokenGlass(db, { versionIds: [version.id] });
  const approvals = decided.filter(({ decidedAt }) => decidedAt <= epoch.createdAt);
  const brokenGlass = broken.filter((one) => one.environment === environment && one.at <= epoch.createdAt);
  const statements = [...approvals, ...brokenGlass].map(({ statement }) => statement);
  const entitledBy = await findEntitling(db, epoch, version.id);
  return { entitledBy, approvals, brokenGlass, proofs: await loadProofs(db, statements) };
}

/** The newest rollout up to an epoch that brought a version: as the epoch's canary, or as its champion when it was promoted before. */
async function findEntitling(
  db: Queryable,
  { endpoint: name, createdAt }: typeof routingEpoch.$inferSelect,
  versionId: string,
): Promise<Decided["entitledBy"]> {
  const [found] = await db
    .select({ id: rollout.id, endpoint: rollout.endpoint, canaryVersion: rollout.canaryVersion })
    .from(rollout)
    .where(and(eq(rollout.endpoint, name), eq(rollout.canaryVersion, versionId), lte(rollout.startedAt, createdAt)))
    .orderBy(desc(rollout.startedAt))
    .limit(1);
  return found ?? null;
}

const gatesOf = (evaluationId: typeof evaluation.id) => sql<PredictionExplanation["gates"]>`(
  SELECT coalesce(jsonb_agg(jsonb_build_object('metric', gate -> 'metric', 'verdict', gate_verdict.verdict,
    'reason', gate_verdict.reason) ORDER BY position), '[]')
  FROM gate_verdict WHERE gate_verdict.evaluation = ${evaluationId})`;

const snapshotsOf = (versionRef: SQL) => sql<UsedSnapshot[]>`(
  SELECT coalesce(jsonb_agg(jsonb_build_object('digest', digest, 'roles', roles, 'rowCount', description -> 'rowCount',
    'window', time_window, 'sourcePath', source_path, 'sourceDigest', source_digest) ORDER BY created_at, digest), '[]')
  FROM (
    SELECT lineage_node.ref, jsonb_agg(DISTINCT used.role) AS roles
    FROM upstream_executions(${versionRef}) AS reached (id) JOIN used ON used.execution = reached.id
      JOIN lineage_node ON lineage_node.id = used.node
    WHERE lineage_node.ref LIKE 'artifact/%' GROUP BY 1
  ) AS thing JOIN dataset_snapshot ON digest = substr(thing.ref, 10))`;

const trainingDataOf = (versionRef: SQL) => sql<string[]>`(
  SELECT coalesce(jsonb_agg(DISTINCT substr(lineage_node.ref, 10)), '[]')
  FROM making_executions(${versionRef}) AS making (id) JOIN used ON used.execution = making.id
    JOIN lineage_node ON lineage_node.id = used.node
  WHERE used.role = 'training-data')`;

const versionRef = sql`'model/' || ${modelVersion.model} || '@' || ${modelVersion.number}`;
