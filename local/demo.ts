import { copyFile, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { createFileStore } from "../adapters/artifacts/file-store.ts";
import { connect, type Modelwright } from "../client/index.ts";
import { projectRoot, resolveDataDir } from "./data-directory.ts";
import { createShell } from "./demo/command.ts";
import { createScreen } from "./demo/screen.ts";
import {
  refuseLeakedLabel,
  retrain,
  rollBackDamaged,
  shipChallenger,
  shipFirstVersion,
  stopReplay,
  watchJune,
  type Story,
} from "./demo/story.ts";
import { startForegroundStack } from "./foreground.ts";
import { findRunningStack } from "./stack.ts";

/** `npm run demo [-- --keep]`: the whole life of a real model, watched. */
const { values: options } = parseArgs({ options: { keep: { type: "boolean", default: false } } });
const screen = createScreen(process.stdout);
const dataDir = join(resolveDataDir(process.env), "demo");
const stopping = new AbortController();
let modelwright: Modelwright | null = null;
let story: Story | null = null;

async function leave(): Promise<void> {
  stopping.abort(new Error("stopped"));
  if (story) await stopReplay(story).catch(() => null);
  await modelwright?.close();
}

const running = await findRunningStack(dataDir);
if (running) throw new Error(`a demo is running already (gateway ${running.gateway}); end it with Ctrl-C first`);
// Every run starts from nothing; what a run left behind is there to look at until the next one.
await rm(dataDir, { recursive: true, force: true });
screen.act(
  "Modelwright",
  "The life of a flight-delay model on real flights (US, 2001): everything below runs on this machine and really happens.",
);
const startedAt = Date.now();
const stack = await startForegroundStack({
  dataDir,
  env: process.env,
  onProgress: (line) => screen.say(`  ${line}`),
  beforeStop: async () => {
    screen.say("stopping everything that was started");
    await leave();
  },
});
try {
  await tell();
  screen.say("");
  screen.say(`The whole took ${Math.round((Date.now() - startedAt) / 1000)} s.`);
  if (options.keep) {
    screen.say("The stack stays up; Ctrl-C ends it.");
    await new Promise<never>(() => {});
  }
} catch (thrown) {
  // Ctrl-C ends the story in the middle and stops the stack by itself.
  if (stopping.signal.aborted) await new Promise<never>(() => {});
  console.error(thrown instanceof Error ? thrown.message : thrown);
  process.exitCode = 1;
}
await leave();
await stack.stop();
process.exit();

async function tell(): Promise<void> {
  modelwright = await connect(stack.addresses);
  story = { screen, stack, modelwright, signal: stopping.signal, directory: join(dataDir, "demo"), replay: null };
  await refuseLeakedLabel(story);
  await shipFirstVersion(story);
  const challenger = await shipChallenger(story);
  await rollBackDamaged(story, challenger);
  const retraining = await watchJune(story);
  if (retraining) await retrain(story, retraining);
  await showProof(story, challenger, retraining);
}

/** The last act: one prediction and everything behind it, asked through the command line as anyone would. */
async function showProof({ modelwright, stack }: Story, challenger: string, retraining: string | null): Promise<void> {
  screen.act(
    "8. The proof",
    "One of the answers given in the canary, and the chain behind it: epoch, version, evaluation, approval, training data, source.",
  );
  const predictionId = await lastPrediction(stack.addresses.gateway);
  const shell = createShell(screen, dataDir);
  const file = (...names: string[]) => join(relative(projectRoot, dataDir) || ".", ...names);
  await shell.modelwright(["lineage", `prediction/${predictionId}`]);
  screen.say("");
  screen.say("The same for somebody who trusts neither us nor this database: signed, and checked offline by one file.");
  await shell.modelwright(
    ["explain", `prediction/${predictionId}`, "--bundle", file("demo", "evidence.json")],
    file("demo", "explanation.txt"),
  );
  const proof = ["--public-key", file("audit.key.pub"), "--checkpoint", file("audit-checkpoints.txt")];
  await shell.node(["verifier/verify-bundle.mjs", file("demo", "evidence.json"), ...proof]);
  screen.say("");
  screen.say("And the whole log, against what was signed of it:");
  await shell.modelwright(["audit", "verify"]);

  const { stages } = await modelwright.lifecycle(challenger);
  const evaluated = stages.find((stage) => stage.stage === "evaluate")?.result as { page: string } | undefined;
  const report = join(dataDir, "evaluation.html");
  if (evaluated) {
    const page = await createFileStore(join(dataDir, "artifacts")).localPath(evaluated.page);
    await copyFile(page, report);
  }
  const here = relative(process.cwd(), dataDir);
  screen.act("Where to look next");
  screen.say(`  evaluation report   ${relative(process.cwd(), report)}`);
  screen.say(
    `  Temporal UI         ${stack.addresses.temporalUi ?? stack.addresses.temporal} ${options.keep ? "" : "(with -- --keep, or after the next line)"}`,
  );
  screen.say(`  the stack again     MODELWRIGHT_DATA_DIR=${here} npx modelwright up`);
  screen.say(`  lineage             MODELWRIGHT_DATA_DIR=${here} npx modelwright lineage prediction/${predictionId}`);
  if (retraining)
    screen.say(
      `  approve retraining  MODELWRIGHT_DATA_DIR=${here} npx modelwright approve ${retraining} --as grace --reason "looks right"`,
    );
}

/** Asks the endpoint once more and returns the prediction's id. */
async function lastPrediction(gateway: string): Promise<string> {
  const column = (name: string, datatype: string, value: string | number) => ({
    name,
    datatype,
    shape: [1],
    data: [value],
  });
  const response = await fetch(`${gateway}/v2/models/flight-delay/infer`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      parameters: { content_type: "columns", routing_key: "you" },
      inputs: [
        column("hour", "INT64", 18),
        column("weekday", "BYTES", "Friday"),
        column("distance", "FP64", 2176),
        column("origin", "BYTES", "LAS"),
        column("destination", "BYTES", "PHL"),
      ],
    }),
  });
  const { id } = (await response.json()) as { id: string };
  // The log is written in batches, a moment later.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return response.headers.get("modelwright-inference-id") ?? id;
}
