import type { Client } from "@temporalio/client";
import { Failure } from "../contracts/failures.ts";
import type { LifecycleStatus } from "../contracts/names.ts";
import { workflowIds } from "../contracts/names.ts";
import type { Database } from "../db/client.ts";
import { verifyAudit, type AuditVerification } from "../db/queries/audit.ts";
import { explainPrediction, type PredictionExplanation } from "../db/queries/explain.ts";
import { listLifecycles, loadLifecycle, type LifecycleRecord, type LifecycleSummary } from "../db/queries/lifecycle.ts";
import { loadGraph, type LineageGraph } from "../db/queries/lineage.ts";
import { listModels, listVersions, type ModelSummary, type ModelVersion } from "../db/queries/model.ts";
import { listDriftChecks, listMonitors, type DriftCheck, type Monitor } from "../db/queries/monitor.ts";
import { findRunningRollout, listLooks, type DeploymentLook, type Rollout } from "../db/queries/rollout.ts";
import { loadRouting, type Routing } from "../db/queries/routing.ts";

/** A lifecycle as it stands, with what its running stage last said. */
export interface LifecycleView extends LifecycleRecord {
  /** Of the stage that runs now; null between stages. `share` runs from 0 to 1. */
  readonly progress: { readonly share: number; readonly note: string } | null;
  /** The rollout that runs for it, with its looks. */
  readonly rollout: (Rollout & { readonly looks: readonly DeploymentLook[] }) | null;
}

/** Questions: answered from Postgres, which outlives every workflow history. */
export interface Reader {
  /** @throws LIFECYCLE_UNKNOWN */
  readonly lifecycle: (lifecycleId: string) => Promise<LifecycleView>;
  readonly lifecycles: (options?: { readonly model?: string; readonly limit?: number }) => Promise<LifecycleSummary[]>;
  /** The lifecycle's views as it goes on, until it has ended or waits for a person; ends with that view. */
  readonly watch: (lifecycleId: string, options?: { readonly everyMs?: number; readonly throughWaits?: boolean }) => AsyncIterable<LifecycleView>;
  readonly models: () => Promise<ModelSummary[]>;
  readonly versions: (model: string) => Promise<ModelVersion[]>;
  readonly endpoints: (options?: { readonly endpoint?: string; readonly asOf?: Date }) => Promise<Routing[]>;
  readonly monitors: () => Promise<Monitor[]>;
  readonly driftChecks: (monitorId: string) => Promise<DriftCheck[]>;
  /** @throws REFERENCE_INVALID, REFERENCE_UNKNOWN */
  readonly lineage: (reference: string, direction: "upstream" | "downstream") => Promise<LineageGraph>;
  /** The chain behind one prediction. @throws REFERENCE_UNKNOWN */
  readonly explain: (inferenceId: string) => Promise<PredictionExplanation>;
  readonly verifyAudit: () => Promise<AuditVerification>;
}

const ENDED: readonly LifecycleStatus[] = ["completed", "failed", "rejected", "aborted"];

export function createReader(database: Database, client: Client): Reader {
  const view = async (lifecycleId: string): Promise<LifecycleView> => {
    const lifecycle = await loadLifecycle(database, lifecycleId);
    if (!lifecycle) throw new Failure("LIFECYCLE_UNKNOWN", { lifecycle: lifecycleId });
    const running = lifecycle.spec.deployment ? await findRunningRollout(database, lifecycle.spec.deployment.endpoint) : null;
    const rollout = running?.lifecycle === lifecycleId ? { ...running, looks: await listLooks(database, running.id) } : null;
    const progress = lifecycle.status === "running" ? await runningProgress(client, lifecycleId) : null;
    return { ...lifecycle, progress, rollout };
  };
  return {
    lifecycle: view,
    lifecycles: (options = {}) => listLifecycles(database, options),
    watch: (lifecycleId, { everyMs = 250, throughWaits = false } = {}) =>
      watchViews(() => view(lifecycleId), { everyMs, isLast: ({ status }) => ENDED.includes(status) || (status === "waiting" && !throughWaits) }),
    models: () => listModels(database),
    versions: (model) => listVersions(database, model),
    endpoints: (options = {}) => loadRouting(database, options),
    monitors: () => listMonitors(database),
    driftChecks: (monitorId) => listDriftChecks(database, monitorId),
    lineage: async (reference, direction) => {
      const graph = await loadGraph(database, { ref: parseReference(reference), direction });
      if (graph.edges.length === 0 && graph.refs.length <= 1) {
        const other = await loadGraph(database, { ref: reference, direction: direction === "upstream" ? "downstream" : "upstream", limit: 2 });
        if (other.edges.length === 0) throw new Failure("REFERENCE_UNKNOWN", { reference });
      }
      return graph;
    },
    explain: async (inferenceId) => {
      const explanation = await explainPrediction(database, inferenceId);
      if (!explanation) throw new Failure("REFERENCE_UNKNOWN", { reference: `prediction/${inferenceId}` });
      return explanation;
    },
    verifyAudit: () => verifyAudit(database),
  };
}

/** `model/NAME@N`, `artifact/DIGEST`, `lifecycle/ID`, ...: a kind, a slash and a name. */
function parseReference(reference: string): string {
  const known = /^(model|artifact|lifecycle|evaluation|approval|rollout|monitor|drift-check|retrain-decision|source)\/\S+$/;
  if (!known.test(reference)) throw new Failure("REFERENCE_INVALID", { found: reference });
  return reference;
}

/** What the running activity heartbeats; Temporal keeps it, so progress costs no rows. */
async function runningProgress(client: Client, lifecycleId: string): Promise<LifecycleView["progress"]> {
  const description = await client.workflow.getHandle(workflowIds.lifecycle(lifecycleId)).describe().catch(() => null);
  for (const activity of description?.raw.pendingActivities ?? []) {
    const data = activity.heartbeatDetails?.payloads?.[0]?.data;
    if (!data) continue;
    const beat = JSON.parse(new TextDecoder().decode(data)) as { share: number; note: string };
    return beat;
  }
  return null;
}

async function* watchViews(
  view: () => Promise<LifecycleView>,
  { everyMs, isLast }: { everyMs: number; isLast: (view: LifecycleView) => boolean },
): AsyncGenerator<LifecycleView> {
  for (;;) {
    const now = await view().catch((thrown: unknown) => {
      // Accepted by Temporal, not yet recorded by a worker.
      if (thrown instanceof Failure && thrown.code === "LIFECYCLE_UNKNOWN") return null;
      throw thrown;
    });
    if (now) yield now;
    if (now && isLast(now)) return;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
