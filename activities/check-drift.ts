import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { digestFile } from "../adapters/artifacts/file-store.ts";
import { runJob } from "../adapters/compute/run-job.ts";
import { renderDrift } from "../adapters/reports/drift-page.ts";
import { baselineProfileSchema, type DriftReport } from "../contracts/drift.ts";
import { Failure, isFailure } from "../contracts/failures.ts";
import type { DriftCheckOutcome } from "../contracts/messages.ts";
import type { DataWindow } from "../contracts/primitives.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { requireLifecycle } from "../db/queries/lifecycle.ts";
import { recordExecution } from "../db/queries/lineage/record-execution.ts";
import { findVersionById } from "../db/queries/model.ts";
import { findDriftCheck, findMonitor, recordDriftCheck, type DriftCheck, type Monitor } from "../db/queries/monitor.ts";
import type { Dependencies } from "./dependencies.ts";
import { withHeartbeat } from "./heartbeat.ts";
import { executionContext } from "./operation-context.ts";
import { raiseOnce } from "./raise-once.ts";
import { keepFile, keepJson, keepPage, type KeptArtifact } from "./keep-artifact.ts";

/** Schedules act for nobody in person. */
export const SCHEDULER = "service/scheduler";

export interface DriftCheckRequest {
  readonly monitorId: string;
  /** ISO; the window ends here. */
  readonly scheduledAt: string;
}

/**
 * Counts one window against the baseline. A window has one check: a repeated or late one finds the first. Drift beyond its margin,
 * proved at the check's error budget, is recorded as harm and raises an alarm; no rows are "insufficient", never "stable".
 */
export async function checkDrift(dependencies: Dependencies, request: DriftCheckRequest): Promise<DriftCheckOutcome> {
  const { database } = dependencies;
  const monitor = await findMonitor(database, request.monitorId);
  if (!monitor) throw new Failure("REFERENCE_UNKNOWN", { reference: `monitor/${request.monitorId}` });
  const scheduledAt = new Date(request.scheduledAt);
  const before = await findDriftCheck(database, { monitor: monitor.id, scheduledAt });
  if (before) return outcome(before);

  const window = windowBefore(scheduledAt, monitor.spec.windowMs);
  const counted = await withHeartbeat((tools) =>
    count(dependencies, { monitor, window, name: dayOf(request.scheduledAt), ...tools }),
  );
  const check = await database.transaction(async (tx) => {
    for (const artifact of counted?.artifacts ?? []) await artifact.register(tx);
    const recorded = await recordDriftCheck(tx, {
      monitor: monitor.id,
      scheduledAt,
      window,
      dataDigest: counted?.data.digest ?? null,
      reportDigest: counted?.report.digest ?? null,
      verdict: counted?.outcome.verdict ?? "insufficient",
      driftedColumns: [...(counted?.outcome.driftedColumns ?? [])],
      harm: counted?.outcome.verdict === "drifted",
    });
    const subject = `drift-check/${recorded.id}`;
    const shared = { lifecycle: monitor.lifecycle, context: executionContext(dependencies) };
    const watched = { ref: `monitor/${monitor.id}`, role: "monitor" } as const;
    const cut = counted && ({ ref: `artifact/${counted.data.digest}`, role: "window" } as const);
    if (cut) {
      await recordExecution(tx, {
        kind: "window",
        ...shared,
        parameters: { window },
        used: [watched, { ref: counted.source, role: "source" }],
        generated: [cut],
      });
    }
    await recordExecution(tx, {
      kind: "drift-check",
      ...shared,
      parameters: { drift: monitor.spec.drift, window },
      used: [watched, ...(cut ? [cut] : [])],
      generated: [
        { ref: subject, role: "drift-check" },
        ...(counted ? [{ ref: `artifact/${counted.report.digest}`, role: "report" as const }] : []),
      ],
    });
    await recordAudit(tx, {
      actor: SCHEDULER,
      subject,
      body: {
        kind: "drift-checked",
        monitor: monitor.id,
        scheduledAt: scheduledAt.toISOString(),
        verdict: recorded.verdict,
        harm: recorded.harm,
        reportDigest: recorded.reportDigest,
      },
    });
    if (recorded.harm) {
      const text = `${watched.ref}: ${recorded.driftedColumns.join(", ")} drifted between ${window.from} and ${window.to}; see \`modelwright monitors ${monitor.id}\``;
      await raiseOnce(tx, { kind: "drift", subject: watched.ref, text, actor: SCHEDULER });
    }
    return recorded;
  });
  return outcome(check);
}

const outcome = ({ id, verdict, harm }: DriftCheck): DriftCheckOutcome => ({ driftCheckId: id, verdict, harm });

/** The window as the data writes its time: without zone, taken as UTC. */
function windowBefore(end: Date, windowMs: number): DataWindow {
  const local = (instant: Date) => instant.toISOString().slice(0, 19).replace("T", " ");
  return { from: local(new Date(end.getTime() - windowMs)), to: local(end) };
}

const dayOf = (scheduledAt: string) => scheduledAt.replaceAll(/[^0-9A-Za-z]/g, "-");

interface Counting {
  readonly monitor: Monitor;
  readonly window: DataWindow;
  readonly name: string;
  readonly signal: AbortSignal;
  readonly progress: (share: number, note: string) => void;
}

interface Counted {
  /** What the window was cut from, `source/PATH#DIGEST`. */
  readonly source: string;
  readonly data: KeptArtifact;
  readonly report: KeptArtifact;
  readonly artifacts: readonly KeptArtifact[];
  readonly outcome: DriftReport;
}

/** Null when the window holds no rows at all. */
async function count(
  dependencies: Dependencies,
  { monitor, window, name, signal, progress }: Counting,
): Promise<Counted | null> {
  const { database, artifacts } = dependencies;
  if (monitor.lifecycle === null) throw new Error(`monitor ${monitor.id} has no lifecycle to take its data from`);
  const { spec } = await requireLifecycle(database, monitor.lifecycle);
  const version = await findVersionById(database, monitor.modelVersion);
  if (!version) throw new Error(`monitor ${monitor.id}: version ${monitor.modelVersion} vanished`);
  const directory = join(dependencies.workDirectory, "drift", monitor.id);
  await mkdir(directory, { recursive: true });
  const outputPath = join(directory, `${name}.parquet`);
  const source = monitor.spec.source ?? spec.data.source;
  try {
    await runJob(
      "snapshot",
      {
        source,
        select: spec.data.select,
        time: spec.data.time,
        window,
        outputPath,
      },
      { signal, onProgress: (share, note) => progress(share / 2, note) },
    );
  } catch (thrown) {
    if (isFailure(thrown) && thrown.code === "DATA_EMPTY") return null;
    throw thrown;
  }
  const sourceDigest = (await digestFile(source.path)).digest;
  const data = await keepFile(dependencies, {
    path: outputPath,
    kind: "dataset",
    mediaType: "application/vnd.apache.parquet",
  });
  const profile = baselineProfileSchema.parse(
    JSON.parse(new TextDecoder().decode(await artifacts.read(monitor.baselineProfile))),
  );
  const drift = await runJob(
    "drift",
    {
      profile,
      data: { path: await artifacts.localPath(data.digest), format: "parquet", digest: data.digest },
      signature: version.signature,
      model: { path: await artifacts.localPath(version.artifact), digest: version.artifact },
      settings: monitor.spec.drift,
    },
    { signal, onProgress: (share, note) => progress(0.5 + share / 2, note) },
  );
  const report = await keepJson(dependencies, "report", drift);
  const page = await keepPage(
    dependencies,
    renderDrift(drift, profile, `${monitor.id} · ${window.from} to ${window.to}`),
  );
  return {
    source: `source/${source.path}#${sourceDigest}`,
    data,
    report,
    artifacts: [data, report, page],
    outcome: drift,
  };
}
