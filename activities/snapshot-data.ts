import { join } from "node:path";
import { runJob } from "../adapters/compute/run-job.ts";
import { digestFile } from "../adapters/artifacts/file-store.ts";
import type { LifecycleRun, StageOutcome } from "../contracts/messages.ts";
import type { SnapshotReference } from "../contracts/stages.ts";
import { recordSnapshot } from "../db/queries/artifact.ts";
import { recordAudit } from "../db/queries/audit.ts";
import type { Dependencies } from "./dependencies.ts";
import { keepFile } from "./keep-artifact.ts";
import { runStage } from "./stage.ts";

/** Cuts the training and the evaluation window out of the source and freezes each as an artifact. */
export async function snapshotData(dependencies: Dependencies, run: LifecycleRun): Promise<StageOutcome> {
  return runStage(dependencies, run, "snapshot", async ({ spec, lifecycle, directory, signal, progress }) => {
    const { source, select, time, windows } = spec.data;
    const take = async (name: "training" | "evaluation", from: number) => {
      const outputPath = join(directory, `${name}.parquet`);
      const {
        digest: _digest,
        sizeBytes: _sizeBytes,
        ...description
      } = await runJob(
        "snapshot",
        { source, select, time, window: windows[name], outputPath },
        { signal, onProgress: (share, note) => progress(from + share / 2, `${name}: ${note}`) },
      );
      const file = await keepFile(dependencies, {
        path: outputPath,
        kind: "dataset",
        mediaType: "application/vnd.apache.parquet",
      });
      return { file, reference: { digest: file.digest, description } satisfies SnapshotReference };
    };
    const training = await take("training", 0);
    const evaluation = await take("evaluation", 0.5);
    const sourceDigest = (await digestFile(source.path)).digest;

    const rows = (reference: SnapshotReference) => reference.description.rowCount.toLocaleString("en-US");
    return {
      verdict: "pass",
      headline: `${rows(training.reference)} rows to train on, ${rows(evaluation.reference)} to evaluate on`,
      record: async (tx, seal) => {
        for (const { file, reference } of [training, evaluation]) {
          await file.register(tx);
          await recordSnapshot(tx, {
            digest: file.digest,
            description: reference.description,
            sourcePath: source.path,
            sourceDigest,
            selectExpressions: select,
            window: reference.description.window,
          });
          await recordAudit(tx, {
            actor: lifecycle.startedBy,
            subject: `artifact/${file.digest}`,
            body: { kind: "snapshot-recorded", digest: file.digest, sourceDigest },
          });
        }
        await seal({
          kind: "snapshot",
          parameters: { source, select, time, windows },
          used: [{ ref: `source/${source.path}#${sourceDigest}`, role: "source" }],
          generated: [
            { ref: `artifact/${training.file.digest}`, role: "training-data" },
            { ref: `artifact/${evaluation.file.digest}`, role: "evaluation-data" },
          ],
        });
        return { training: training.reference, evaluation: evaluation.reference };
      },
    };
  });
}
