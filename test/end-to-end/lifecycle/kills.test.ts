import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { createTinyProject, tinyModel } from "../../fixtures/lifecycle/tiny-project.ts";
import { openStack, quickRollout, sendTraffic, until, type RunningStack } from "./running-stack.ts";

let running: RunningStack;

beforeAll(async () => {
  running = await openStack();
});
afterAll(async () => await running.close());

const stageOf = async (id: string, stage: string) =>
  (
    await running.query<{ status: string; attempt: number }>(
      "SELECT status, attempt FROM stage_run WHERE lifecycle = $1 AND stage = $2",
      [id, stage],
    )
  )[0];

/** One stage run a stage, all passed; one version, of the trained bytes; a chain of audit events that verifies. */
async function expectOneOfEverything(id: string, model: string, stages: readonly string[]): Promise<void> {
  const { client, query } = running;
  const lifecycle = await client.lifecycle(id);
  expect(lifecycle.stages.map(({ stage, round, status }) => `${stage} ${round} ${status}`)).toEqual(
    stages.map((stage) => `${stage} 1 passed`),
  );
  const versions = await query<{ origin: string }>("SELECT origin FROM model_version WHERE lifecycle = $1", [id]);
  expect(versions).toEqual([{ origin: "trained" }]);
  expect(
    await query("SELECT FROM evaluation JOIN model_version ON model_version.id = model_version WHERE model = $1", [
      model,
    ]),
  ).toHaveLength(
    Number((await query<{ count: string }>("SELECT count(*) FROM model_version WHERE model = $1", [model]))[0]?.count),
  );
  const ends = await query("SELECT FROM audit_event WHERE subject = $1 AND kind = 'lifecycle-status'", [
    `lifecycle/${id}`,
  ]);
  expect(ends).toHaveLength(1);
  expect(await client.auditLog.verify()).toMatchObject({ ok: true });
}

const UP_TO_EVALUATION = ["accept", "snapshot", "validate", "train", "admit", "optimize", "evaluate"];

describe("SIGKILL", () => {
  it("of the compute worker in the middle of a training and of an evaluation: both runs go on and end with one version each", async () => {
    const { client, project, directory, stack, kill } = running;
    const large = await createTinyProject(join(directory, "large"), { rowsPerDay: 8000 });
    await client.start(project.spec({ model: { name: "trained" } }, { durationMs: 600_000 }), {
      as: "ada",
      id: "training",
    });
    const starts = join(stack.addresses.dataDir, "work/training/1/train/starts.txt");
    await until(() => existsSync(starts));
    await client.start(large.spec({ model: { name: "evaluated" } }), { as: "ada", id: "evaluating" });
    await until(async () => (await stageOf("evaluating", "evaluate"))?.status === "running", 10);
    await kill("compute");

    expect(await client.result("evaluating")).toMatchObject({ status: "completed" });
    expect(await client.result("training")).toMatchObject({ status: "completed" });
    // Each was taken over in the middle: a first attempt that never ended, and a second one.
    expect(await stageOf("evaluating", "evaluate")).toMatchObject({ attempt: 2 });
    expect(await stageOf("training", "train")).toMatchObject({ attempt: 2 });
    expect((await readFile(starts, "utf8")).trim().split("\n")).toHaveLength(2);
    await expectOneOfEverything("evaluating", "evaluated", UP_TO_EVALUATION);
    await expectOneOfEverything("training", "trained", UP_TO_EVALUATION);
  });

  it("of the control worker between a traffic change and its confirmation, and of the gateway in the middle of the canary: the rollout goes on and promotes once", async () => {
    const { client, project, stack, kill, query } = running;
    const deployment = { endpoint: "served", rollout: quickRollout };
    await client.start(project.spec({ model: { name: "served" }, deployment }), { as: "ada", id: "one" });
    await client.result("one");
    const looks = () =>
      query<{ number: number; verdict: string }>(
        "SELECT number, verdict FROM deployment_look WHERE rollout = 'two-1' ORDER BY number",
      );
    const path = join(project.directory, "two.onnx");
    await writeFile(path, tinyModel(1.1));
    // More than the first step's share of the traffic can bring before the gateway is killed.
    const slow = { ...quickRollout, minimumRequestsPerStep: 60 };
    const spec = project.spec(
      { model: { name: "served" }, deployment: { ...deployment, rollout: slow } },
      { model: path },
    );
    // A gateway that hears nothing confirms nothing: it holds the rollout exactly there.
    const deaf = stack.children.get("gateway")?.pid ?? 0;
    process.kill(deaf, "SIGSTOP");
    await client.start(spec, { as: "ada", id: "two" });
    const shifted = "SELECT epoch FROM routing_epoch WHERE rollout = 'two-1' AND canary_share = 2000";
    await until(async () => (await query(shifted)).length > 0);
    await kill("control");
    expect(
      await query("SELECT FROM gateway_route JOIN routing_epoch USING (endpoint, epoch) WHERE rollout = 'two-1'"),
    ).toEqual([]);
    expect(await looks()).toEqual([]);
    process.kill(deaf, "SIGCONT");
    const traffic = sendTraffic(stack.addresses.gateway, "served");
    await until(async () => (await looks()).length > 0);
    const answered = traffic.answered();
    await kill("gateway");

    expect(await client.result("two")).toMatchObject({ status: "completed" });
    expect(traffic.answered()).toBeGreaterThan(answered);
    await traffic.stop();
    const epochs = await query<{ canary_share: number }>(
      "SELECT canary_share FROM routing_epoch WHERE endpoint = 'served' ORDER BY epoch",
    );
    expect(epochs.map(({ canary_share }) => canary_share)).toEqual([0, 2000, 5000, 0]);
    const taken = await looks();
    expect(taken.map(({ number }) => number)).toEqual(taken.map((_, index) => index + 1));
    expect(taken.filter(({ verdict }) => verdict !== "hold")).toMatchObject([{ verdict: "promote" }]);
    const [endpoint] = await client.endpoints({ endpoint: "served" });
    expect(endpoint).toMatchObject({ champion: { number: 2 }, canary: null });
    await expectOneOfEverything("two", "served", [...UP_TO_EVALUATION, "deploy"]);
  });
});
