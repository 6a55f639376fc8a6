/**
 * A user's trainer, a program of its own: `node --import tsx examples/flight-delay/train.ts manifest.json`.
 *
 * It knows Modelwright only by the manifest it is given: where the data is, which columns it may use, its parameters and
 * seed, and where the results go. It prints one JSON line of progress at least every second, and stops on SIGTERM or when
 * its stdin closes, which happens when whoever started it is gone. The same data, parameters and seed give the same bytes.
 */
import { fstatSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";

import type { TrainerManifest } from "../../contracts/training.ts";
import { describeSignature, exportNetwork } from "./trainer/export.ts";
import { fitNetwork } from "./trainer/fit.ts";
import { createNetwork } from "./trainer/network.ts";
import { readSettings } from "./trainer/settings.ts";
import { loadSnapshot } from "./trainer/snapshot.ts";

async function train(manifest: TrainerManifest): Promise<void> {
  const settings = readSettings(manifest.parameters);
  report(0, "reading the snapshot");
  const snapshot = await loadSnapshot({
    ...manifest.data,
    features: manifest.features,
    label: manifest.label,
    sampleRows: settings.rows,
    seed: manifest.seed,
  });
  const { rows } = snapshot;
  const network = createNetwork(
    {
      numberCount: snapshot.numbers.length,
      categorySizes: snapshot.categories.map(({ vocabulary }) => vocabulary.length),
      embedding: settings.embedding,
      hidden: settings.hidden,
      seed: manifest.seed,
    },
    rows.labels.reduce((sum, label) => sum + label, 0) / rows.count,
  );
  report(0.05, `training on ${rows.count} rows`);
  let saidAt = performance.now();
  const metrics = await fitNetwork(network, rows, {
    ...settings,
    seed: manifest.seed,
    onProgress: (share, note) => {
      if (performance.now() - saidAt < 500) return;
      saidAt = performance.now();
      report(0.05 + 0.9 * share, note);
    },
  });
  await writeFile(manifest.output.model, exportNetwork(network));
  await writeFile(manifest.output.signature, JSON.stringify(describeSignature(snapshot, manifest.label), null, 2));
  await writeFile(manifest.output.metrics, JSON.stringify(metrics, null, 2));
  report(1, `holdout ROC AUC ${metrics["holdout_roc_auc"]?.toFixed(4) ?? "undefined"}`);
}

function report(progress: number, note: string): void {
  process.stdout.write(`${JSON.stringify({ progress, note })}\n`);
}

/** Stops at once when asked: nothing is worth keeping of a half-trained network. */
function stopWhenAsked(): void {
  process.once("SIGTERM", () => process.exit(143));
  const stdin = fstatSync(0);
  // Only a pipe says that its other end is gone; a terminal or /dev/null is left alone.
  if (!stdin.isFIFO() && !stdin.isSocket()) return;
  process.stdin.once("close", () => process.exit(143));
  process.stdin.resume();
}

const manifestPath = process.argv[2];
if (manifestPath === undefined) {
  process.stderr.write("usage: node --import tsx train.ts manifest.json\n");
  process.exit(2);
}
stopWhenAsked();
await train(JSON.parse(await readFile(manifestPath, "utf8")) as TrainerManifest);
process.exit(0);
