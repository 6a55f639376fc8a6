import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { LifecycleSpecInput } from "../../../client/index.ts";
import { tinyData, tinyModel, type TrainerParameters } from "../../fixtures/lifecycle/tiny-project.ts";
import { openStack, quickRollout, request, sendTraffic, until, type RunningStack } from "./running-stack.ts";

let running: RunningStack;

beforeAll(async () => {
  running = await openStack();
});
afterAll(async () => await running.close());

const codeOf = async (work: Promise<unknown>): Promise<unknown> => {
  try {
    return await work;
  } catch (thrown) {
    return thrown instanceof Error && "code" in thrown ? thrown.code : thrown;
  }
};

describe("a lifecycle on a whole stack", () => {
  it("goes from data to a served and watched version, waiting for a person on its way", async () => {
    const { client, project, stack, query } = running;
    const spec = project.spec({
      approval: { required: true },
      deployment: { endpoint: "tiny" },
      monitoring: { drift: { columns: ["hour"] } },
    });
    await client.start(spec, { as: "ada", id: "first" });
    for await (const { status } of client.watch("first")) expect(["running", "waiting"]).toContain(status);
    expect(await codeOf(client.decide("first", { decision: "approve", by: "ada", reason: "mine" }))).toBe(
      "APPROVAL_BY_AUTHOR",
    );
    // At once: what a script reads as waiting it may decide.
    await client.decide("first", { decision: "approve", by: "grace", reason: "good gates" });
    expect(await client.result("first")).toMatchObject({ status: "completed" });

    expect(await request(stack.addresses.gateway, "tiny")).toBe(true);
    expect((await client.monitors()).map(({ id }) => id)).toEqual(["tiny.v1"]);
    expect(await client.lifecycle("first")).toMatchObject({ status: "completed", failureCode: null });
    const served = async () => await query<{ inference_id: string }>("SELECT inference_id FROM prediction LIMIT 1");
    await until(async () => (await served()).length > 0);
    const [prediction] = await served();
    const explained = await client.explain(prediction?.inference_id ?? "");
    expect(JSON.stringify(explained)).toContain("grace");
    expect(await client.auditLog.verify()).toMatchObject({ ok: true });
  });

  it("is one lifecycle when it is started twice, and a conflict when the second start wants something else", async () => {
    const { client, project, query } = running;
    const spec = project.spec({
      approval: { required: true },
      deployment: { endpoint: "tiny" },
      monitoring: { drift: { columns: ["hour"] } },
    });
    await client.start(spec, { as: "ada", id: "first" });
    expect(await codeOf(client.start(project.spec(), { as: "ada", id: "first" }))).toBe("OPERATION_CONFLICT");
    expect(await client.result("first")).toMatchObject({ status: "completed" });
    expect(await query("SELECT number FROM model_version")).toEqual([{ number: 1 }]);
  });

  it("ramps a second version against the first one and promotes it", async () => {
    const { client, project, stack, query } = running;
    const path = join(project.directory, "second.onnx");
    await writeFile(path, tinyModel(1.1));
    const spec = project.spec({ deployment: { endpoint: "tiny", rollout: quickRollout } }, { model: path });
    const traffic = sendTraffic(stack.addresses.gateway, "tiny");
    await client.start(spec, { as: "ada", id: "second" });
    expect(await client.result("second")).toMatchObject({ status: "completed" });
    await traffic.stop();
    const [endpoint] = await client.endpoints({ endpoint: "tiny" });
    expect(endpoint).toMatchObject({ champion: { number: 2 }, canary: null });
    const shares = await query<{ canary_share: number }>("SELECT canary_share FROM routing_epoch ORDER BY epoch");
    expect(shares.map(({ canary_share }) => canary_share)).toEqual([0, 2000, 5000, 0]);
  });

  it("can be run again after its trainer failed, keeping what had passed", async () => {
    const { client, project, query } = running;
    const mendedBy = join(project.directory, "mended");
    await client.start(project.spec({ model: { name: "mended" } }, { behaviour: "fails until mended", mendedBy }), {
      as: "ada",
      id: "mended",
    });
    expect(await codeOf(client.result("mended"))).toBe("TRAINER_EXITED");
    await writeFile(mendedBy, "");
    expect(await client.retry("mended", { as: "grace" })).toEqual({ lifecycleId: "mended", round: 2 });
    expect(await client.result("mended")).toMatchObject({ status: "completed" });
    const { stages } = await client.lifecycle("mended");
    expect(stages.map(({ stage, round, status }) => `${stage} ${round} ${status}`)).toEqual([
      "accept 1 passed",
      "snapshot 1 passed",
      "validate 1 passed",
      "train 1 failed",
      "train 2 passed",
      "admit 2 passed",
      "optimize 2 passed",
      "evaluate 2 passed",
    ]);
    expect(await query("SELECT number FROM model_version WHERE model = 'mended'")).toEqual([{ number: 1 }]);
    const statuses =
      "SELECT name FROM audit_event JOIN person_name ON ref = actor WHERE subject = 'lifecycle/mended' AND kind = 'lifecycle-status' ORDER BY seq";
    expect(await query(statuses)).toEqual([{ name: "ada" }, { name: "grace" }, { name: "ada" }]);
  });
});

describe("bad input", () => {
  const withData = (changes: Partial<LifecycleSpecInput["data"]>) => (): Partial<LifecycleSpecInput> => ({
    data: { ...tinyData(running.project.dataPath), ...changes },
  });
  const file = (name: string) => () => withData({ source: { path: join(running.directory, name) } })();
  const none = () => ({});
  const empty = {
    training: { from: "2009-01-01", to: "2009-02-01" },
    evaluation: { from: "2009-02-01", to: "2009-03-01" },
  };

  const cases: readonly [
    what: string,
    changes: () => Partial<LifecycleSpecInput>,
    trainer: TrainerParameters,
    stage: string,
    code: string,
  ][] = [
    ["missing file", file("nowhere.parquet"), {}, "snapshot", "FILE_MISSING"],
    ["corrupt Parquet", file("broken.parquet"), {}, "snapshot", "DATA_UNREADABLE"],
    ["empty window", withData({ windows: empty }), {}, "snapshot", "DATA_EMPTY"],
    ["trainer that exits with 1", none, { behaviour: "fails" }, "train", "TRAINER_EXITED"],
    ["trainer that hangs", none, { behaviour: "hangs" }, "train", "TRAINER_SILENT"],
    ["trainer that writes no model", none, { behaviour: "no model" }, "train", "TRAINER_NO_MODEL"],
    ["wrong signature", none, { behaviour: "wrong signature" }, "admit", "MODEL_SIGNATURE"],
    ["truncated ONNX", none, { behaviour: "truncated" }, "admit", "MODEL_NOT_ONNX"],
    ["pickle named .onnx", none, { behaviour: "pickle" }, "admit", "MODEL_NOT_ONNX"],
  ];
  const idOf = (what: string) => `bad-${what.replaceAll(/[^a-zA-Z0-9]+/g, "-").toLowerCase()}`;

  beforeAll(async () => {
    await writeFile(join(running.directory, "broken.parquet"), "PAR1 and then nothing that Parquet knows");
    for (const [what, changes, trainer] of cases) {
      await running.client.start(running.project.spec({ model: { name: "bad" }, ...changes() }, trainer), {
        as: "ada",
        id: idOf(what),
      });
    }
  });

  it.each(cases)(
    "%s ends its stage with a catalogued failure that people see",
    async (what, _changes, _trainer, stage, code) => {
      const id = idOf(what);
      expect(await codeOf(running.client.result(id))).toBe(code);
      const lifecycle = await running.client.lifecycle(id);
      expect(lifecycle).toMatchObject({ status: "failed", failureCode: code });
      const last = lifecycle.stages.at(-1);
      expect(last).toMatchObject({ stage, status: "failed", failure: { code } });
      expect(last?.headline).not.toBe("");
    },
  );

  it("leaves no version behind", async () => {
    expect(await running.query("SELECT FROM model_version WHERE model = 'bad'")).toEqual([]);
  });

  it("in a spec lists every problem and starts nothing", async () => {
    const { client, project } = running;
    const spec = { ...project.spec(), approvals: {}, training: { command: [] } } as unknown as LifecycleSpecInput;
    const refused = client.start(spec, { as: "ada", id: "never" });
    await expect(refused).rejects.toMatchObject({
      code: "SPEC_INVALID",
      message: expect.stringContaining("approvals"),
    });
    await expect(refused).rejects.toMatchObject({ message: expect.stringContaining("training.command") });
    expect(await codeOf(client.lifecycle("never"))).toBe("LIFECYCLE_UNKNOWN");
  });
});

describe("a gateway that does not answer", () => {
  it("leaves traffic on the champion: nothing is measured, and no request ever reaches the canary", async () => {
    const { client, stack, query } = running;
    const pid = stack.children.get("gateway")?.pid;
    if (pid === undefined) throw new Error("no gateway runs");
    const [before] = await client.endpoints({ endpoint: "tiny" });
    process.kill(pid, "SIGSTOP");
    const rollout = await client.deploy({
      model: "tiny",
      version: 1,
      endpoint: "tiny",
      environment: "production",
      as: "ada",
      plan: quickRollout,
    });
    await until(async () => (await client.endpoints({ endpoint: "tiny" }))[0]?.canary?.number === 1);
    const unconfirmed = async () => {
      const { raw } = await client.temporal.workflow.getHandle("rollout/tiny").describe();
      return raw.pendingActivities?.some(({ activityType }) => activityType?.name === "confirmTraffic") ?? false;
    };
    await until(unconfirmed);
    await client.rollback("tiny", { by: "grace", reason: "the gateway is deaf" });
    expect(await rollout.result()).toMatchObject({ status: "aborted" });
    process.kill(pid, "SIGCONT");
    for (let count = 0; count < 30; count += 1) expect(await request(stack.addresses.gateway, "tiny")).toBe(true);

    const [after] = await client.endpoints({ endpoint: "tiny" });
    expect(after).toMatchObject({ champion: before?.champion, canary: null });
    expect(await query("SELECT FROM deployment_look WHERE rollout = $1", [rollout.rolloutId])).toEqual([]);
    const canary =
      "SELECT FROM prediction JOIN routing_epoch USING (endpoint, epoch) WHERE rollout = $1 AND arm = 'canary'";
    expect(await query(canary, [rollout.rolloutId])).toEqual([]);
    expect(await client.auditLog.verify()).toMatchObject({ ok: true });
  });
});
