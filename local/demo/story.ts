import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createFileStore } from "../../adapters/artifacts/file-store.ts";
import { runJob } from "../../adapters/compute/run-job.ts";
import { loadSpec, type LifecycleSpec, type Modelwright } from "../../client/index.ts";
import type { Stack } from "../stack.ts";
import { projectRoot } from "../data-directory.ts";
import { expectStatus, follow } from "./lifecycle.ts";
import { startReplay, type Replay, type ReplayCounts } from "./replay.ts";
import type { Screen } from "./screen.ts";

/** What the acts share. */
export interface Story {
  readonly screen: Screen;
  readonly stack: Stack;
  readonly modelwright: Modelwright;
  readonly signal: AbortSignal;
  /** Files the demo makes; below the data directory. */
  readonly directory: string;
  /** Live traffic of the present act; stopped by whoever leaves the story. */
  replay: Replay | null;
}

const example = (name: string) => join(projectRoot, "examples/flight-delay", name);
const JUNE = { from: "2001-06-01", to: "2001-07-02" };
const AUTHOR = "ada";
const APPROVER = "grace";

/** The example's spec, its drift checks reading the demo's own copy of June so that an upstream fault can happen to it. */
async function challengerSpec(story: Story): Promise<LifecycleSpec> {
  const spec = await loadSpec(example("lifecycle.yaml"));
  if (!spec.deployment || !spec.monitoring) throw new Error("the example deploys and monitors");
  const rollout = { ...spec.deployment.rollout, lookIntervalMs: 1000 };
  return {
    ...spec,
    deployment: { ...spec.deployment, rollout },
    monitoring: { ...spec.monitoring, source: { path: feedPath(story) } },
  };
}

const feedPath = ({ directory }: Story) => join(directory, "june.parquet");

/** Writes the feed the nightly checks read: June as it was, or with the distances of its last day in kilometres. */
async function writeFeed(story: Story, kilometresFrom: string | null): Promise<void> {
  await mkdir(story.directory, { recursive: true });
  const { data } = await loadSpec(example("lifecycle.yaml"));
  const distance =
    kilometresFrom === null
      ? "distance"
      : `CASE WHEN date >= TIMESTAMP '${kilometresFrom}' THEN distance * 1.609344 ELSE distance END`;
  await runJob(
    "snapshot",
    {
      source: data.source,
      select: { date: "date", delay: "delay", distance, origin: "origin", destination: "destination" },
      time: "date",
      window: JUNE,
      outputPath: feedPath(story),
    },
    { signal: story.signal },
  );
}

/** Bad input: the arrival delay itself slips in among the features. */
export async function refuseLeakedLabel(story: Story): Promise<void> {
  story.screen.act(
    "1. Bad data is refused",
    "A copy of the spec lets the outcome leak into a feature (arrival_delay). Data validation must notice before anything is trained.",
  );
  const spec = await loadSpec(example("first.yaml"));
  const leaked: LifecycleSpec = {
    ...spec,
    data: {
      ...spec.data,
      select: { ...spec.data.select, arrival_delay: "delay" },
      windows: {
        training: { from: "2001-01-01", to: "2001-01-08" },
        evaluation: { from: "2001-01-08", to: "2001-01-10" },
      },
      checks: { ...spec.data.checks, minimumRows: 1000 },
    },
  };
  const { lifecycleId } = await story.modelwright.start(leaked, { as: AUTHOR });
  expectStatus(await follow(story.screen, story.modelwright, lifecycleId, story.signal), "failed");
}

export async function shipFirstVersion(story: Story): Promise<void> {
  story.screen.act(
    "2. A first version goes into production",
    "examples/flight-delay/first.yaml: a quick model made from January. The endpoint is empty, so passing its gates is enough.",
  );
  const { lifecycleId } = await story.modelwright.start(example("first.yaml"), { as: AUTHOR });
  expectStatus(await follow(story.screen, story.modelwright, lifecycleId, story.signal), "completed");
}

/** Returns the id of the lifecycle, whose evaluation report is what people look at afterwards. */
export async function shipChallenger(story: Story): Promise<string> {
  const { screen, modelwright, signal } = story;
  screen.act(
    "3. A challenger earns its place",
    "examples/flight-delay/lifecycle.yaml: January to March, embeddings, int8. May's flights are replayed as live requests all the while; their labels arrive late.",
  );
  await writeFeed(story, null);
  const { gateway } = story.stack.addresses;
  story.replay = startReplay({ gateway, endpoint: "flight-delay", from: "2001-05-01", rate: 40 });
  const { lifecycleId } = await modelwright.start(await challengerSpec(story), { as: AUTHOR });
  expectStatus(await follow(screen, modelwright, lifecycleId, signal), "waiting");

  const refusal = await modelwright.decide(lifecycleId, { decision: "approve", by: AUTHOR, reason: "I made it" }).then(
    () => "accepted?",
    (thrown: Error) => thrown.message,
  );
  screen.say(`${AUTHOR} tries to approve: ${refusal}`);
  await modelwright.decide(lifecycleId, { decision: "approve", by: APPROVER, reason: "every gate passed on April" });
  screen.say(`${APPROVER} approves: every gate passed on April`);

  await stopReplay(story);
  story.replay = startReplay({ gateway, endpoint: "flight-delay", from: "2001-05-08", rate: 300 });
  expectStatus(await follow(screen, modelwright, lifecycleId, signal), "completed");
  const counts = await stopReplay(story);
  if (counts) screen.say(`Replayed ${counts.requests} requests during the canary; ${counts.errors} failed.`);
  return lifecycleId;
}

/** Returns nothing new to the champion: the damaged version is caught. */
export async function rollBackDamaged(story: Story, lifecycleId: string): Promise<void> {
  const { screen, modelwright, stack } = story;
  screen.act(
    "4. A damaged version is caught",
    "The weights of the last layer change sign: deliberate damage, a valid file with wrong answers. Production refuses it for want of evidence; staging takes it, and its canary must find the harm.",
  );
  const { damageModel } = await import("../../examples/flight-delay/damage.ts");
  const artifacts = createFileStore(join(stack.addresses.dataDir, "artifacts"));
  const view = await modelwright.lifecycle(lifecycleId);
  const { versions } = await modelwright.versions({ model: view.model });
  const good = versions.find((version) => version.lifecycle === lifecycleId && version.origin === "trained");
  const champion = versions.find((version) => version.lifecycle === lifecycleId);
  if (!good || !champion) throw new Error("the challenger left no version");
  const path = join(story.directory, "damaged.onnx");
  const signaturePath = join(story.directory, "signature.json");
  await writeFile(path, damageModel(await artifacts.read(good.artifact)));
  await writeFile(signaturePath, JSON.stringify(good.signature));
  const damaged = await modelwright.register({ model: good.model, path, signaturePath, as: AUTHOR });
  const name = `${damaged.model}@${damaged.number}`;
  screen.say(`registered ${name}`);

  const { rollout } = (await challengerSpec(story)).deployment ?? {};
  const deploy = async (number: number, environment: string, endpoint: string) =>
    (
      await modelwright.deploy({
        model: good.model,
        version: number,
        endpoint,
        environment,
        as: AUTHOR,
        plan: { ...rollout },
      })
    ).result();
  await deploy(damaged.number, "production", "flight-delay").then(
    () => screen.say("production took it?"),
    (thrown: Error) => screen.say(`production: ${thrown.message}`),
  );

  const staging = "flight-delay-staging";
  await deploy(champion.number, "staging", staging);
  story.replay = startReplay({ gateway: stack.addresses.gateway, endpoint: staging, from: "2001-05-20", rate: 300 });
  const ended = await deploy(damaged.number, "staging", staging);
  const endedAt = new Date();
  screen.say(`staging: ${name} ${ended.status}: ${ended.reason}`);
  if (ended.status !== "rolled-back") throw new Error("the damaged version was not rolled back");
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const counts = await stopReplay(story);
  const after = counts?.lastErrorAt && new Date(counts.lastErrorAt) > endedAt ? "some" : "no";
  screen.say(`Replayed ${counts?.requests ?? 0} requests; ${after} client error after the rollback.`);
}

/** Nightly checks over June by backfilling the schedule, then a fault upstream on its last day. Returns the lifecycle it caused. */
export async function watchJune(story: Story): Promise<string | null> {
  const { screen, modelwright } = story;
  screen.act(
    "5. June, night by night",
    "The monitor's schedule is backfilled over June: each night counts the day before against the baseline frozen at training. The verdicts are whatever the data says.",
  );
  const [monitor] = (await modelwright.monitors()).slice(-1);
  if (!monitor) throw new Error("no monitor watches the endpoint");
  const nights = 29;
  await backfill(story, monitor.id, "2001-06-02T00:00:00Z", "2001-06-30T12:00:00Z");
  await awaitChecks(story, monitor.id, nights);

  screen.act(
    "6. A fault upstream",
    "On June 30 the source starts to send distances in kilometres: a deliberate fault. The next night must find it; the retrain policy decides what follows.",
  );
  await writeFeed(story, "2001-06-30");
  await backfill(story, monitor.id, "2001-07-01T00:00:00Z", "2001-07-01T12:00:00Z");
  await awaitChecks(story, monitor.id, nights + 1);
  for (;;) {
    story.signal.throwIfAborted();
    const caused = (await modelwright.lifecycles({ limit: 20 })).find((lifecycle) => lifecycle.causedBy !== null);
    if (caused) return caused.id;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function backfill({ modelwright }: Story, monitorId: string, start: string, end: string): Promise<void> {
  const schedule = modelwright.temporal.schedule.getHandle(`monitor/${monitorId}`);
  await schedule.backfill({ start: new Date(start), end: new Date(end), overlap: "ALLOW_ALL" });
}

/** One mark a night, drawn as the checks come in. */
async function awaitChecks({ screen, modelwright, signal }: Story, monitorId: string, wanted: number): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const checks = (await modelwright.driftChecks(monitorId)).toSorted(
      (a, b) => a.scheduledAt.getTime() - b.scheduledAt.getTime(),
    );
    const marks = { stable: "·", drifted: "█", insufficient: "?" } as const;
    screen.live([
      `  ${checks.map((check) => marks[check.verdict]).join("")}  ${checks.length} of ${wanted} nights`,
      "  · stable   █ drifted   ? insufficient",
    ]);
    if (checks.length >= wanted) {
      screen.settle();
      for (const check of checks.filter((one) => one.harm)) {
        screen.say(
          `  night of ${check.scheduledAt.toISOString().slice(0, 10)}: harm, ${check.driftedColumns.join(", ")} drifted`,
        );
      }
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

export async function retrain(story: Story, lifecycleId: string): Promise<void> {
  story.screen.act(
    "7. The evidence starts a retraining",
    `Lifecycle ${lifecycleId} was started by the retrain policy, linked to the check that caused it, on windows moved to end where the drifted night ends.`,
  );
  const view = await follow(story.screen, story.modelwright, lifecycleId, story.signal);
  story.screen.say(
    view.status === "waiting"
      ? "It waits, durably, for somebody's approval."
      : `It ended as ${view.status}: ${view.outcome ?? ""}`,
  );
}

export async function stopReplay(story: Story): Promise<ReplayCounts | null> {
  const counts = await story.replay?.stop();
  story.replay = null;
  return counts ?? null;
}
