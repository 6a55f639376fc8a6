import { and, eq, inArray, sql } from "drizzle-orm";

import { Failure } from "../../contracts/failures.ts";
import { BASIS_POINTS } from "../../contracts/names.ts";
import type { Transaction } from "../client.ts";
import { recordRows, rowsOf } from "../record-rows.ts";
import { modelVersion } from "../schema/model.ts";
import { rollout } from "../schema/rollout.ts";
import { endpoint, environment, promotion, routingEpoch } from "../schema/routing.ts";
import { findPassingEvaluation } from "./evaluation.ts";

export interface EpochRequest {
  readonly endpoint: string;
  /** Epoch the caller saw; 0 before the first. */
  readonly expectedEpoch: number;
  readonly championVersion: string | null;
  readonly canaryVersion: string | null;
  /** Basis points, 0 to 10 000; the champion gets the rest, so without a champion it is 10 000. */
  readonly canaryShare: number;
  /** Basis points of the champion's requests that are mirrored to the canary; 0 by default. */
  readonly shadowShare?: number;
  readonly salt: string;
  readonly rollout: string | null;
  readonly reason: string;
  readonly createdBy: string;
  /** How long the canary's share is valid without renewal; not read without a canary. */
  readonly leaseMs: number;
}

/** `stale`: somebody advanced first; `epoch` is the current one and nothing was changed. */
export interface AdvanceResult {
  readonly outcome: "advanced" | "stale";
  readonly epoch: number;
  /** The passing evaluations by which its versions may serve; none when stale. */
  readonly evaluations: readonly EpochEvidence[];
}

export interface EpochEvidence {
  readonly versionId: string;
  readonly evaluationId: string;
}

/**
 * The only way traffic changes: writes the epoch after `expectedEpoch`, with the evidence of every version in it, tells the
 * gateways when the transaction commits, and starts the canary's lease. Fails with ENDPOINT_BUSY while another rollout runs,
 * ENVIRONMENT_NEEDS_EVIDENCE when a version has no passing evaluation where one is asked for, REFERENCE_UNKNOWN.
 */
export async function advanceEpoch(tx: Transaction, request: EpochRequest): Promise<AdvanceResult> {
  const [current] = await rowsOf(tx, endpoint, sql`lock_endpoint(${request.endpoint})`);
  if (!current) throw new Failure("REFERENCE_UNKNOWN", { reference: `endpoint/${request.endpoint}` });
  if (current.currentEpoch !== request.expectedEpoch) {
    return { outcome: "stale", epoch: current.currentEpoch, evaluations: [] };
  }
  await refuseSecondWriter(tx, request);

  const epoch = request.expectedEpoch + 1;
  await recordRows(tx, routingEpoch, [
    {
      endpoint: request.endpoint,
      epoch,
      model: current.model,
      championVersion: request.championVersion,
      canaryVersion: request.canaryVersion,
      championShare: BASIS_POINTS - request.canaryShare,
      canaryShare: request.canaryShare,
      shadowShare: request.shadowShare ?? 0,
      salt: request.salt,
      rollout: request.rollout,
      reason: request.reason,
      createdBy: request.createdBy,
    },
  ]);
  const evaluations = await recordEvidence(tx, { ...request, epoch, environment: current.environment });
  const lease = request.canaryVersion === null ? null : request.leaseMs;
  await rowsOf(tx, endpoint, sql`set_lease(${request.endpoint}, ${epoch}, ${lease})`);
  return { outcome: "advanced", epoch, evaluations };
}

async function refuseSecondWriter(tx: Transaction, request: EpochRequest): Promise<void> {
  const [running] = await tx
    .select({ id: rollout.id })
    .from(rollout)
    .where(and(eq(rollout.endpoint, request.endpoint), eq(rollout.status, "running")));
  if (running && running.id !== request.rollout) {
    throw new Failure("ENDPOINT_BUSY", { endpoint: request.endpoint, rollout: running.id });
  }
}

/** Where no evidence is asked for it is recorded all the same when there is some: explaining a prediction uses it. */
async function recordEvidence(
  tx: Transaction,
  request: EpochRequest & { readonly epoch: number; readonly environment: string },
): Promise<EpochEvidence[]> {
  const ids = [request.championVersion, request.canaryVersion].filter((id) => id !== null);
  const versions = await tx
    .select()
    .from(modelVersion)
    .where(inArray(modelVersion.id, ids))
    .orderBy(modelVersion.number);
  const [policy] = await tx.select().from(environment).where(eq(environment.name, request.environment));
  const evaluations: EpochEvidence[] = [];
  for (const version of versions) {
    const evidence = await findPassingEvaluation(tx, version.id);
    if (evidence) {
      evaluations.push({ versionId: version.id, evaluationId: evidence.id });
      await recordRows(tx, promotion, [
        {
          endpoint: request.endpoint,
          epoch: request.epoch,
          version: version.id,
          modelDigest: version.artifact,
          evaluation: evidence.id,
        },
      ]);
    } else if (policy?.requiresEvidence !== false) {
      throw new Failure("ENVIRONMENT_NEEDS_EVIDENCE", {
        environment: request.environment,
        version: `model/${version.model}@${version.number}`,
      });
    }
  }
  return evaluations;
}
