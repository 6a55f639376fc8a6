import type { LifecycleRun } from "../contracts/messages.ts";
import type { Transaction } from "../db/client.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { createMonitor, listMonitors, setMonitorActive, type Monitor } from "../db/queries/monitor.ts";
import type { Dependencies } from "./dependencies.ts";
import { loadStageResult, runStage } from "./stage.ts";
import { versionAs } from "./version-reference.ts";

/** Watches the promoted version on the spec's schedule against the baseline frozen at training; the former version's watch ends. */
export async function startMonitor(dependencies: Dependencies, run: LifecycleRun): Promise<void> {
  const { schedules } = dependencies;
  await runStage(dependencies, run, "monitor", async ({ spec, lifecycle, result }) => {
    const { monitoring, deployment } = spec;
    if (!monitoring || !deployment) throw new Error(`lifecycle ${lifecycle.id} watches nothing`);
    const { version } = await result("optimize");
    const { profile } = await result("admit");
    // A dot stands in no endpoint's name, so the prefix names one endpoint.
    const prefix = `${deployment.endpoint}.v`;
    const monitorId = `${prefix}${version.number}`;
    return {
      verdict: "pass",
      headline: `drift checks ${monitoring.schedule} (UTC)`,
      record: async (tx, seal) => {
        const retired = await retireFormer(tx, version.model, prefix, lifecycle.startedBy);
        const monitor = await createMonitor(tx, {
          id: monitorId,
          model: version.model,
          modelVersion: version.versionId,
          lifecycle: lifecycle.id,
          spec: monitoring,
          schedule: monitoring.schedule,
          baselineProfile: profile,
        });
        await seal({
          kind: "monitor",
          parameters: monitoring,
          used: [versionAs("version", version), { ref: `artifact/${profile}`, role: "baseline" }],
          generated: [{ ref: `monitor/${monitorId}`, role: "monitor" }],
        });
        await auditMonitor(tx, monitor, lifecycle.startedBy);
        return { monitorId, schedule: monitor.schedule, retired };
      },
    };
  });
  // After the commit and safe to repeat: a schedule without its row would check nothing.
  const { monitorId, schedule, retired } = await loadStageResult(dependencies, run.lifecycleId, "monitor");
  await schedules.ensure({ monitorId, cron: schedule });
  for (const former of retired) await schedules.remove(former);
}

/** Ends the watch of the endpoint's former versions; returns their monitors' ids. */
async function retireFormer(tx: Transaction, model: string, prefix: string, actor: string): Promise<string[]> {
  const former = (await listMonitors(tx, { model })).filter((monitor) => monitor.id.startsWith(prefix));
  for (const { id } of former) {
    const retired = await setMonitorActive(tx, { id, active: false });
    if (retired) await auditMonitor(tx, retired, actor);
  }
  return former.map((monitor) => monitor.id);
}

async function auditMonitor(tx: Transaction, monitor: Monitor, actor: string): Promise<void> {
  await recordAudit(tx, {
    actor,
    subject: `monitor/${monitor.id}`,
    body: {
      kind: "monitor-changed",
      versionId: monitor.modelVersion,
      baselineProfile: monitor.baselineProfile,
      active: monitor.active,
    },
  });
}
