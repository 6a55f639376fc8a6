import { Failure } from "../contracts/failures.ts";
import type { ByHand } from "../contracts/messages.ts";
import type { Transaction } from "../db/client.ts";
import { advanceEpoch, type EpochRequest } from "../db/queries/advance-epoch.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { recordExecution } from "../db/queries/lineage/record-execution.ts";
import { findVersionById, type ModelVersion } from "../db/queries/model.ts";
import type { Dependencies } from "./dependencies.ts";
import { executionContext } from "./operation-context.ts";
import { versionAs } from "./version-reference.ts";

/** What people do to traffic by hand, and how the epoch says it. */
const HANDS = { share: "share set", promote: "promoted past the evidence", rollback: "rollback" } as const;

/** Somebody wants it, as Postgres knows him: it is not what the plan, the looks or a lifecycle did. */
export interface Hand extends ByHand {
  readonly kind: keyof typeof HANDS;
}

export interface RoutingAdvance extends EpochRequest {
  readonly hand?: Hand | undefined;
  /** Digest of what he signed. */
  readonly statement?: string | null;
}

/**
 * The one way an activity moves traffic: the epoch by compare-and-set on the one its caller read, with its audit event; and where
 * somebody did it by hand an execution in lineage, because no rollout tells of him. Returns the epoch's number.
 * @throws ENDPOINT_BUSY
 */
export async function advanceRouting(
  tx: Transaction,
  dependencies: Dependencies,
  { hand, statement = null, ...asked }: RoutingAdvance,
): Promise<number> {
  const { endpoint } = asked;
  const to = hand
    ? { ...asked, createdBy: hand.by, reason: `${HANDS[hand.kind]} by ${hand.by}: ${hand.reason}` }
    : asked;
  const advanced = await advanceEpoch(tx, to);
  if (advanced.outcome === "stale") throw new Failure("ENDPOINT_BUSY", { endpoint, rollout: "another writer" });
  const { epoch } = advanced;
  await recordAudit(tx, {
    actor: to.createdBy,
    statement,
    subject: `endpoint/${endpoint}`,
    body: {
      kind: "routing-advanced",
      endpoint,
      epoch,
      championVersionId: to.championVersion,
      canaryVersionId: to.canaryVersion,
      canaryShare: to.canaryShare,
      evaluations: [...advanced.evaluations],
      reason: to.reason,
    },
  });
  if (hand) await recordHand(tx, dependencies, { ...to, epoch, hand });
  return epoch;
}

/** Which versions somebody had served how, and by which epoch. */
async function recordHand(
  tx: Transaction,
  dependencies: Dependencies,
  {
    hand,
    epoch,
    endpoint,
    rollout,
    championVersion,
    canaryVersion,
    canaryShare,
  }: EpochRequest & { hand: Hand; epoch: number },
): Promise<void> {
  const champion = await findVersion(tx, championVersion);
  const canary = await findVersion(tx, canaryVersion);
  await recordExecution(tx, {
    kind: hand.kind,
    // Who sees the version sees who had it served.
    lifecycle: (canary ?? champion)?.lifecycle ?? null,
    context: executionContext(dependencies),
    parameters: { endpoint, rollout, canaryShare },
    used: [...(champion ? [versionAs("champion", champion)] : []), ...(canary ? [versionAs("canary", canary)] : [])],
    generated: [{ ref: `routing-epoch/${endpoint}/${epoch}`, role: "routing-epoch" }],
  });
}

const findVersion = async (tx: Transaction, id: string | null): Promise<ModelVersion | null> =>
  id === null ? null : await findVersionById(tx, id);
