import { and, asc, eq, getTableColumns, gt, isNull, notExists, or, sql } from "drizzle-orm";

import type { JudgedGate } from "../../contracts/audit.ts";
import {
  BREAK_GLASS_LIFE_MS,
  EVIDENCE_FORMAT,
  type ApprovalDecision,
  type ApprovalEvidence,
  type ApprovalTerms,
} from "../../contracts/approval.ts";
import { Failure } from "../../contracts/failures.ts";
import { stageResultSchemas } from "../../contracts/stages.ts";
import { digestOf } from "../canonical.ts";
import type { Queryable, Transaction } from "../client.ts";
import { approval, breakGlass, breakGlassUse } from "../schema/approval.ts";
import { evaluation, gateVerdict } from "../schema/evaluation.ts";
import { lifecycle } from "../schema/lifecycle.ts";
import type { Approval } from "./approval.ts";
import { findPolicyInForce, type SetPolicy } from "./approval-policy.ts";
import { requireLifecycle } from "./lifecycle.ts";
import { findVersion, findVersionById, type ModelVersion } from "./model.ts";
import { findActorRef } from "./person.ts";
import { findPassedStageRun } from "./stage-run.ts";

/** A decision as it is judged; times are milliseconds of database time. */
export interface CountedDecision {
  readonly id: string;
  readonly decision: ApprovalDecision;
  readonly by: string;
  readonly reason: string;
  readonly roles: readonly string[];
  readonly signed: boolean;
  readonly evidenceDigest: string;
  readonly expiresAt: number;
  /** From then on it counts no more: the token that signed it, or the role it counted by, was compromised. Null unless one was. */
  readonly compromisedAt: number | null;
}

/** Everything an approval of a version for an environment is judged by, read at one moment. Has the shape that core/approval asks for. */
export interface ApprovalCase {
  readonly version: ModelVersion;
  /** Null for a lifecycle that deploys nowhere. */
  readonly environment: string | null;
  readonly policy: SetPolicy;
  readonly terms: ApprovalTerms;
  /** Because a policy was set, or because the lifecycle that made the version asks for it there. */
  readonly needed: boolean;
  /** Who made the version, as stored. */
  readonly author: string;
  /** Null while an evaluation that is no pass is the version's last word. */
  readonly evidence: ApprovalEvidence | null;
  readonly evidenceDigest: string | null;
  /** Over whatever evidence, oldest first. */
  readonly decisions: readonly CountedDecision[];
  /** A glass broken for it and not used yet, within its day. */
  readonly openGlass: string | null;
  readonly at: number;
}

/** @throws REFERENCE_UNKNOWN */
export async function loadApprovalCase(
  db: Queryable,
  { versionId, environment }: { readonly versionId: string; readonly environment: string | null },
): Promise<ApprovalCase> {
  const version = await findVersionById(db, versionId);
  if (!version) throw new Failure("REFERENCE_UNKNOWN", { reference: `version ${versionId}` });
  const at = await databaseTime(db);
  const policy = await findPolicyInForce(db, { model: version.model, environment, at });
  const evidence = await presentEvidence(db, { version, environment, policy: policy.digest });
  const evidenceDigest = evidence && digestOf(evidence);
  const isDefault = policy.policy.environment === null;
  const approvals = await listApprovals(db, { version, environment });
  const decisions = approvals.map((row) => ({
    id: row.id,
    decision: row.decision,
    by: row.decidedBy,
    reason: row.reason,
    roles: row.roles,
    signed: row.statement !== null,
    compromisedAt: row.compromisedAt?.getTime() ?? null,
    // Decided by release 0.1.0 about the report, when only the default was there to ask for it.
    ...(row.evidence === null
      ? {
          evidenceDigest:
            isDefault && evidence?.evaluation?.report === row.evidenceDigest ? (evidenceDigest ?? "") : "",
          expiresAt: row.decidedAt.getTime() + policy.policy.expiresInMs,
        }
      : { evidenceDigest: row.evidenceDigest, expiresAt: row.expiresAt?.getTime() ?? 0 }),
  }));
  return {
    version,
    environment,
    policy,
    terms: policy.policy,
    needed: !isDefault || (await isAskedBySpec(db, version, environment)),
    author: (await findActorRef(db, version.createdBy)) ?? version.createdBy,
    evidence,
    evidenceDigest,
    decisions,
    openGlass: await findOpenGlass(db, version, environment, at),
    at: at.getTime(),
  };
}

/** Of `NAME@N`. @throws REFERENCE_UNKNOWN */
export async function findVersionCase(
  db: Queryable,
  { model, number, environment }: { readonly model: string; readonly number: number; readonly environment: string },
): Promise<ApprovalCase> {
  const version = await findVersion(db, { model, number });
  if (!version) throw new Failure("REFERENCE_UNKNOWN", { reference: `model/${model}@${number}` });
  return await loadApprovalCase(db, { versionId: version.id, environment });
}

/** Of what a lifecycle made, or null before it made a version to decide about. @throws LIFECYCLE_UNKNOWN */
export async function findLifecycleCase(db: Queryable, lifecycleId: string): Promise<ApprovalCase | null> {
  const { spec } = await requireLifecycle(db, lifecycleId);
  const made = await findPassedStageRun(db, { lifecycle: lifecycleId, stage: "optimize" });
  if (!made) return null;
  const { version } = stageResultSchemas.optimize.parse(made.result);
  const environment = spec.deployment?.environment ?? null;
  return await loadApprovalCase(db, { versionId: version.versionId, environment });
}

/** One decision about a version at a time: of two at once the second must see the first, or nobody would see the quorum. */
export async function lockApprovals(tx: Transaction, versionId: string): Promise<void> {
  await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtextextended(${`approvals ${versionId}`}, 0))`);
}

async function databaseTime(db: Queryable): Promise<Date> {
  const { rows } = await db.execute<{ at: Date }>(sql`SELECT clock_timestamp() AS at`);
  if (!rows[0]) throw new Error("no row");
  return new Date(rows[0].at);
}

async function isAskedBySpec(db: Queryable, version: ModelVersion, environment: string | null): Promise<boolean> {
  if (version.lifecycle === null) return false;
  const [made] = await db.select({ spec: lifecycle.spec }).from(lifecycle).where(eq(lifecycle.id, version.lifecycle));
  return made?.spec.approval.required === true && (made.spec.deployment?.environment ?? null) === environment;
}

async function presentEvidence(
  db: Queryable,
  { version, environment, policy }: { version: ModelVersion; environment: string | null; policy: string },
): Promise<ApprovalEvidence | null> {
  const { rows } = await db.execute<{ id: string | null; blocked: boolean }>(
    sql`SELECT id, blocked FROM standing_evaluation(${version.id})`,
  );
  const [standing] = rows;
  if (!standing || standing.blocked) return null;
  return {
    format: EVIDENCE_FORMAT,
    version: `${version.model}@${version.number}`,
    versionId: version.id,
    modelDigest: version.artifact,
    environment,
    lifecycle: version.lifecycle,
    evaluation: standing.id === null ? null : await judgedEvaluation(db, standing.id),
    policy,
  };
}

async function judgedEvaluation(db: Queryable, id: string): Promise<ApprovalEvidence["evaluation"]> {
  const [found] = await db.select({ report: evaluation.reportDigest }).from(evaluation).where(eq(evaluation.id, id));
  const gates = await db
    .select()
    .from(gateVerdict)
    .where(eq(gateVerdict.evaluation, id))
    .orderBy(asc(gateVerdict.position));
  const judged = gates.map(({ gate, verdict, reason }): JudgedGate => ({ metric: gate.metric, verdict, reason }));
  return { id, report: found?.report ?? null, gates: digestOf(judged) };
}

/** A recorded decision, and since when it counts no more because a token or a role was compromised. */
export type ListedApproval = Approval & { readonly compromisedAt: Date | null };

/** What was decided about a version for an environment, and what release 0.1.0 decided in its lifecycle; oldest first. */
export async function listApprovals(
  db: Queryable,
  { version, environment }: { readonly version: ModelVersion; readonly environment: string | null },
): Promise<ListedApproval[]> {
  const here = environment === null ? isNull(approval.environment) : eq(approval.environment, environment);
  const { statement, decidedBy, roles, decidedAt } = approval;
  return await db
    .select({
      ...getTableColumns(approval),
      compromisedAt: sql<Date | null>`compromised_at(${statement}, ${decidedBy}, ${roles}, ${decidedAt})`.mapWith(
        decidedAt,
      ),
    })
    .from(approval)
    .where(
      or(
        and(eq(approval.modelVersion, version.id), here),
        version.lifecycle === null
          ? undefined
          : and(eq(approval.lifecycle, version.lifecycle), isNull(approval.evidence)),
      ),
    )
    .orderBy(asc(decidedAt), asc(approval.id));
}

async function findOpenGlass(
  db: Queryable,
  version: ModelVersion,
  environment: string | null,
  at: Date,
): Promise<string | null> {
  if (environment === null) return null;
  const [open] = await db
    .select({ id: breakGlass.id })
    .from(breakGlass)
    .where(
      and(
        eq(breakGlass.modelVersion, version.id),
        eq(breakGlass.environment, environment),
        gt(breakGlass.brokenAt, new Date(at.getTime() - BREAK_GLASS_LIFE_MS)),
        notExists(db.select().from(breakGlassUse).where(eq(breakGlassUse.breakGlass, breakGlass.id))),
        sql`compromised_at(${breakGlass.statement}, ${breakGlass.brokenBy}, '{}', ${breakGlass.brokenAt}) IS NULL`,
      ),
    )
    .orderBy(asc(breakGlass.brokenAt))
    .limit(1);
  return open?.id ?? null;
}
