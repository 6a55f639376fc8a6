import type { Client } from "@temporalio/client";
import type { AuditLog } from "../contracts/audit-log.ts";
import { Failure } from "../contracts/failures.ts";
import type { LifecycleStatus, Stage } from "../contracts/names.ts";
import { rolloutIdOf, workflowIds } from "../contracts/names.ts";
import type { ObservedTraffic } from "../contracts/traffic.ts";
import { judgeStanding } from "../core/approval/judge-approvals.ts";
import type { Database } from "../db/client.ts";
import { findLifecycleCase } from "../db/queries/approval-case.ts";
import { listAuditEvents, type StoredAuditEvent } from "../db/queries/audit.ts";
import { listCheckpoints, type AuditCheckpoint } from "../db/queries/audit-checkpoint.ts";
import { listArtifacts, type Artifact } from "../db/queries/artifact.ts";
import { createAuditLog } from "../db/queries/audit-log.ts";
import type { Derivation } from "../db/queries/derivation.ts";
import { explainPrediction, type PredictionExplanation } from "../db/queries/explain.ts";
import { listLifecycles, loadLifecycle, type LifecycleRecord, type LifecycleSummary } from "../db/queries/lifecycle.ts";
import { loadOpenings, type Opening } from "../db/queries/person.ts";
import { reveal } from "../db/queries/reveal.ts";
import { findMonitor, listDriftChecks, listMonitors, type DriftCheck, type Monitor } from "../db/queries/monitor.ts";
import {
  digestStoredPlan,
  findRollout,
  findRunningRollout,
  listLooks,
  listRollouts,
  type DeploymentLook,
  type Rollout,
} from "../db/queries/rollout.ts";
import { listOverrides, type RolloutOverride } from "../db/queries/rollout-override.ts";
import { listTurns, type WaitingRollout } from "../db/queries/rollout-turn.ts";
import { championOf, loadRouting, type Routing } from "../db/queries/routing.ts";
import { listGatewayLogs, type GatewayLog } from "../db/queries/gateway-log.ts";
import { observeTraffic } from "../db/queries/traffic.ts";
import type { StuckWork } from "../db/queries/stuck.ts";
import { loadDerivation } from "./derivation.ts";
import { translated } from "./failures.ts";
import { createLineageReader, type LineageReader } from "./lineage.ts";
import { createRegistryReader, type RegistryReader } from "./registry.ts";
import { parseReference } from "./reference.ts";
import { listAllStuck } from "./unrecorded-work.ts";

/** A stage's run, as of the answer. */
export type StageView = LifecycleRecord["stages"][number] & {
  /** Why what it passed counts no more, as an approval that expired before a rollout used it; null where it counts. */
  readonly lapsed: string | null;
};

/** A lifecycle as it stands, with what its running stage last said. */
export interface LifecycleView extends LifecycleRecord {
  readonly stages: readonly StageView[];
  /** Of the stage that runs now; null between stages. `share` runs from 0 to 1. */
  readonly progress: { readonly share: number; readonly note: string } | null;
  /** The rollout that runs for it. */
  readonly rollout: RolloutView | null;
  /** Its rollout, while another one has the endpoint. */
  readonly waiting: WaitingRollout | null;
}

/** A rollout with its looks and overrides in order. */
export interface RolloutView extends Rollout {
  readonly looks: readonly DeploymentLook[];
  /** Who went past its evidence, oldest first. */
  readonly overrides: readonly RolloutOverride[];
}

export interface WatchOptions {
  readonly everyMs?: number;
  /** Go on watching while somebody's approval is waited for. */
  readonly throughWaits?: boolean;
  /** Told at each look that finds a server away; watching goes on for `patienceMs`, two minutes by default. */
  readonly onAway?: (failure: Failure) => void;
  readonly patienceMs?: number;
}

/**
 * Questions: answered from Postgres, which outlives every workflow history. People are kept as pseudonyms and their words as
 * commitments; answers have the names and words, as long as they are not erased.
 */
export interface Reader extends LineageReader, RegistryReader {
  /** @throws LIFECYCLE_UNKNOWN */
  readonly lifecycle: (lifecycleId: string) => Promise<LifecycleView>;
  readonly lifecycles: (options?: { readonly model?: string; readonly limit?: number }) => Promise<LifecycleSummary[]>;
  /**
   * What was started, has not ended and does not move any more, the longest first; also what Temporal accepted and nothing was recorded of.
   */
  readonly stuck: () => Promise<StuckWork[]>;
  /**
   * The lifecycle's views as it goes on, until it has ended or waits for a person; ends with that view. A server that is away for a
   * moment is waited for. @throws LIFECYCLE_UNKNOWN, STACK_UNREACHABLE
   */
  readonly watch: (lifecycleId: string, options?: WatchOptions) => AsyncIterable<LifecycleView>;
  /** @throws REFERENCE_UNKNOWN */
  readonly rollout: (rolloutId: string) => Promise<RolloutView>;
  /** Rollouts that wait for an endpoint another one has, by endpoint and in the order in which they came. */
  readonly waitingRollouts: () => Promise<WaitingRollout[]>;
  /** A lifecycle's rollouts in the order they started; none when it has not got so far. @throws LIFECYCLE_UNKNOWN */
  readonly rolloutsOf: (lifecycleId: string) => Promise<RolloutView[]>;
  /** Digest of a rollout's plan as it is stored. @throws REFERENCE_UNKNOWN */
  readonly planDigest: (rolloutId: string) => Promise<string>;
  /** What the log of an endpoint counted in the last `windowMs`; the rates are its present champion's. */
  readonly traffic: (
    endpoint: string,
    options: { readonly windowMs: number; readonly latencyFloorMs: number },
  ) => Promise<ObservedTraffic>;
  /** What `model/NAME@N` was rewritten from. @throws REFERENCE_UNKNOWN, VERSION_NOT_DERIVED */
  readonly derivation: (reference: string) => Promise<Derivation>;
  readonly endpoints: (options?: { readonly endpoint?: string; readonly asOf?: string }) => Promise<Routing[]>;
  /** Monitors that are active, by id. */
  readonly monitors: () => Promise<Monitor[]>;
  /** The newest checks of a monitor, active or not, 100 unless told. @throws REFERENCE_UNKNOWN, INPUT_INVALID */
  readonly driftChecks: (monitorId: string, options?: { readonly limit?: number }) => Promise<DriftCheck[]>;
  /** The audit log as whoever checks or signs it reads it: `verify` recomputes every hash. */
  readonly auditLog: AuditLog;
  /** The chain behind one prediction; with `refs` people and their words stay as they are stored, as evidence needs them. @throws REFERENCE_UNKNOWN */
  readonly explain: (inferenceId: string, options?: { readonly refs?: boolean }) => Promise<PredictionExplanation>;
  /** Every artifact on record, by digest. */
  readonly artifacts: () => AsyncIterable<Artifact>;
  /** What opens pseudonyms and commitments; those that were erased are absent. */
  readonly openings: (refs: readonly string[]) => Promise<Opening[]>;
  /** The newest checkpoints the stack signed, the largest first, as the database remembers them. */
  readonly checkpoints: () => Promise<AuditCheckpoint[]>;
  /** What became of the rows that gateways logged; the newest gateway first. */
  readonly gatewayLogs: () => Promise<GatewayLog[]>;
  /** Events about any of the subjects (`lifecycle/ID`, `endpoint/NAME`, ...), in order, as they are stored. */
  readonly auditEvents: (subjects: readonly string[]) => Promise<StoredAuditEvent[]>;
}

export const ENDED: readonly LifecycleStatus[] = ["completed", "failed", "rejected", "aborted"];

async function withLooks(database: Database, rollout: Rollout): Promise<RolloutView> {
  const [looks, overrides] = await Promise.all([listLooks(database, rollout.id), listOverrides(database, rollout.id)]);
  return { ...rollout, looks, overrides };
}

async function checksOf(database: Database, monitorId: string, limit = 100): Promise<DriftCheck[]> {
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) {
    const problems = `${limit} checks; ask for a whole number from 1 to 10000`;
    throw new Failure("INPUT_INVALID", { where: "limit", problems });
  }
  const checks = await listDriftChecks(database, monitorId, limit);
  if (checks.length > 0 || (await findMonitor(database, monitorId))) return checks;
  throw new Failure("REFERENCE_UNKNOWN", { reference: `monitor/${monitorId}` });
}

async function rolloutsOf(database: Database, lifecycleId: string): Promise<RolloutView[]> {
  if (!(await loadLifecycle(database, lifecycleId))) {
    throw new Failure("LIFECYCLE_UNKNOWN", { lifecycle: lifecycleId });
  }
  const found = await listRollouts(database, { lifecycle: lifecycleId });
  return Promise.all(found.map((one) => withLooks(database, one)));
}

export function createReader(database: Database, client: Client): Reader {
  /** Runs a question and puts names and words into its answer. */
  const told = <Answer>(question: Promise<Answer>): Promise<Answer> =>
    translated(question.then((answer) => reveal(database, answer)));
  const view = async (lifecycleId: string): Promise<LifecycleView> => {
    const lifecycle = await loadLifecycle(database, lifecycleId);
    if (!lifecycle) throw new Failure("LIFECYCLE_UNKNOWN", { lifecycle: lifecycleId });
    const running = lifecycle.spec.deployment
      ? await findRunningRollout(database, lifecycle.spec.deployment.endpoint)
      : null;
    const rollout = running?.lifecycle === lifecycleId ? await withLooks(database, running) : null;
    const waiting = rollout ? null : await findTurn(database, lifecycle);
    const progress = lifecycle.status === "running" ? await runningProgress(client, lifecycleId) : null;
    const lapsed = rollout ? null : await findLapse(database, lifecycle);
    const stages = lifecycle.stages.map((run) => ({
      ...run,
      lapsed: run.stage === "approve" && run.status === "passed" ? lapsed : null,
    }));
    return { ...lifecycle, stages, progress, rollout, waiting };
  };
  const log = createAuditLog(database);
  return {
    lifecycle: (lifecycleId) => told(view(lifecycleId)),
    lifecycles: (options = {}) => told(listLifecycles(database, options)),
    stuck: () => translated(listAllStuck(client, database)),
    watch: (lifecycleId, options = {}) =>
      watchViews(async () => {
        const now = await told(view(lifecycleId)).catch(unlessUnknown);
        if (!now) await requireAccepted(client, lifecycleId);
        return now;
      }, options),
    rollout: async (rolloutId) => {
      const found = await told(findRollout(database, rolloutId));
      if (!found) throw new Failure("REFERENCE_UNKNOWN", { reference: `rollout/${rolloutId}` });
      return told(withLooks(database, found));
    },
    waitingRollouts: () => translated(listTurns(database)),
    rolloutsOf: (lifecycleId) => told(rolloutsOf(database, lifecycleId)),
    planDigest: async (rolloutId) => {
      const digest = await translated(digestStoredPlan(database, rolloutId));
      if (digest === null) throw new Failure("REFERENCE_UNKNOWN", { reference: `rollout/${rolloutId}` });
      return digest;
    },
    traffic: (endpoint, options) =>
      translated(
        championOf(database, endpoint).then((champion) =>
          observeTraffic(database, { endpoint, champion: champion?.id ?? null, ...options }),
        ),
      ),
    gatewayLogs: () => translated(listGatewayLogs(database)),
    derivation: (version) => loadDerivation(database, version),
    ...createRegistryReader(database, told),
    endpoints: (options = {}) => told(loadRouting(database, options)),
    monitors: () => told(listMonitors(database)),
    driftChecks: (monitorId, { limit } = {}) => translated(checksOf(database, monitorId, limit)),
    ...createLineageReader(database),
    explain: async (inferenceId, { refs = false } = {}) => {
      const reference = parseReference(`prediction/${inferenceId}`);
      const explanation = await translated(explainPrediction(database, reference.name));
      if (!explanation) throw new Failure("REFERENCE_UNKNOWN", { reference: reference.text });
      return refs ? explanation : told(Promise.resolve(explanation));
    },
    auditLog: {
      heads: () => translated(log.heads()),
      verify: (options) => translated(log.verify(options)),
      keepNodes: (stream) => translated(log.keepNodes(stream)),
      onDisk: () => translated(log.onDisk()),
      tiles: (stream, wanted) => translated(log.tiles(stream, wanted)),
    },
    artifacts: () => listArtifacts(database),
    openings: (refs) => translated(loadOpenings(database, refs)),
    checkpoints: () => translated(listCheckpoints(database)),
    auditEvents: (subjects) => translated(listAuditEvents(database, { subjects })),
  };
}

async function findTurn(database: Database, { id, stages }: LifecycleRecord): Promise<WaitingRollout | null> {
  const deploying = stages.find(({ stage, status }) => stage === "deploy" && status === "running");
  if (!deploying) return null;
  const turns = await listTurns(database);
  return turns.find(({ rolloutId }) => rolloutId === rolloutIdOf(id, deploying.round)) ?? null;
}

const DEPLOYED: readonly Stage[] = ["deploy", "monitor"];

/**
 * Why the approval of what a lifecycle made counts no more; null while it does, where there is none, and once a rollout went through by
 * it. The stage's row stays as it was recorded: the next round, or the rollout, judges anew as this does.
 */
async function findLapse(database: Database, { id, status, stages }: LifecycleRecord): Promise<string | null> {
  const passed = (stage: Stage) => stages.some((run) => run.stage === stage && run.status === "passed");
  if (!passed("approve") || DEPLOYED.some(passed) || (ENDED.includes(status) && status !== "failed")) return null;
  const asked = await findLifecycleCase(database, id);
  const standing = asked && judgeStanding(asked);
  return standing === null || standing.status === "approved" ? null : standing.says;
}

/** What the running activity heartbeats; Temporal keeps it, so progress costs no rows. */
async function runningProgress(client: Client, lifecycleId: string): Promise<LifecycleView["progress"]> {
  const description = await client.workflow
    .getHandle(workflowIds.lifecycle(lifecycleId))
    .describe()
    .catch(() => null);
  for (const activity of description?.raw.pendingActivities ?? []) {
    const data = activity.heartbeatDetails?.payloads?.[0]?.data;
    if (!data) continue;
    const beat = JSON.parse(new TextDecoder().decode(data)) as { share: number; note: string };
    return beat;
  }
  return null;
}

/** Accepted by Temporal, not yet recorded by a worker: then there is no view yet. */
function unlessUnknown(thrown: unknown): null {
  if (thrown instanceof Failure && thrown.code === "LIFECYCLE_UNKNOWN") return null;
  throw thrown;
}

/** @throws LIFECYCLE_UNKNOWN when nobody started it; the failure that ended it before it could be recorded */
async function requireAccepted(client: Client, lifecycleId: string): Promise<void> {
  const handle = client.workflow.getHandle(workflowIds.lifecycle(lifecycleId));
  const { status } = await translated(handle.describe());
  if (status.name === "RUNNING") return;
  await translated(handle.result());
  throw new Failure("LIFECYCLE_UNKNOWN", { lifecycle: lifecycleId });
}

async function* watchViews(
  look: () => Promise<LifecycleView | null>,
  { everyMs = 250, throughWaits = false, onAway, patienceMs = 120_000 }: WatchOptions,
): AsyncGenerator<LifecycleView> {
  let awaySince: number | null = null;
  for (;;) {
    const now = await look().catch((thrown: unknown) => {
      if (!(thrown instanceof Failure && thrown.code === "STACK_UNREACHABLE")) throw thrown;
      awaySince ??= Date.now();
      if (Date.now() - awaySince > patienceMs) throw thrown;
      onAway?.(thrown);
      return undefined;
    });
    if (now !== undefined) awaySince = null;
    if (now) yield now;
    if (now && (ENDED.includes(now.status) || (now.status === "waiting" && !throughWaits))) return;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
