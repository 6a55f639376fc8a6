import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { ActivityCancellationDetails, CancelledFailure } from "@temporalio/common";
import { MockActivityEnvironment } from "@temporalio/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { runStage, type StageEnd } from "../../../activities/stage.ts";
import { Failure } from "../../../contracts/failures.ts";
import { loadLifecycle } from "../../../db/queries/lifecycle.ts";
import { findStageRun } from "../../../db/queries/stage-run.ts";
import type { TrainerParameters } from "../../fixtures/lifecycle/tiny-project.ts";
import { isRunning } from "../../fixtures/training/is-running.mjs";
import { createDoor } from "../../workflow/stub-activities.ts";
import { until } from "../../workflow/until.ts";
import { openActivityStage, type ActivityStage } from "./activity-stage.ts";

let stage: ActivityStage;
let lifecycleId: string;
let count = 0;

beforeAll(async () => {
  stage = await openActivityStage();
});
afterAll(async () => await stage.close());
beforeEach(() => {
  lifecycleId = `run-${++count}`;
});

async function accept(parameters: TrainerParameters = {}): Promise<void> {
  const spec = stage.project.spec({}, parameters);
  await stage.run("acceptSpec", { lifecycleId, round: 1, spec, startedBy: "ada", causedBy: null });
}

const auditOf = async (stageName: string) => {
  const { rows } = await stage.test.admin.query<{ body: { stage: string; status: string } }>(
    "SELECT convert_from(body, 'UTF8')::jsonb -> 'body' AS body FROM audit_event WHERE subject = $1 AND kind = 'stage-finished' ORDER BY seq",
    [`lifecycle/${lifecycleId}`],
  );
  return rows.map(({ body }) => body).filter((body) => body.stage === stageName);
};
const stageOf = (name: "snapshot" | "validate" | "train") =>
  findStageRun(stage.test.database, { lifecycle: lifecycleId, stage: name, round: 1 });

describe("a spec that is not one", () => {
  it("is refused with every path that is wrong, and leaves no lifecycle behind", async () => {
    const spec = {
      ...stage.project.spec(),
      evaluation: { gates: [] },
      surprise: 1,
      training: { command: "node train.ts" },
    };
    const refused = stage.run("acceptSpec", { lifecycleId, round: 1, spec, startedBy: "ada", causedBy: null });
    await expect(refused).rejects.toMatchObject({ type: "SPEC_INVALID", nonRetryable: true });
    const message = await refused.catch((thrown: Error) => thrown.message);
    for (const path of ["evaluation.gates", "surprise", "training.command"]) expect(message).toContain(path);
    expect(await loadLifecycle(stage.test.database, lifecycleId)).toBeNull();
  });
});

describe("a stage that fails", () => {
  it("with a catalogued failure ends failed with code and message, audited, and may be tried in another round", async () => {
    await accept({ behaviour: "fails" });
    await stage.run("snapshotData", { lifecycleId, round: 1 });
    const failed = stage.run("trainModel", { lifecycleId, round: 1 });
    await expect(failed).rejects.toMatchObject({ type: "TRAINER_EXITED", nonRetryable: true });
    expect(await stageOf("train")).toMatchObject({
      status: "failed",
      failure: { code: "TRAINER_EXITED", message: expect.stringContaining("no such column: hour") },
    });
    expect(await auditOf("train")).toMatchObject([{ status: "failed" }]);

    await stage.run("endLifecycle", {
      lifecycleId,
      round: 1,
      status: "failed",
      reason: "exit 1",
      failureCode: "TRAINER_EXITED",
    });
    await stage.run("acceptSpec", { lifecycleId, round: 2, spec: null, startedBy: "ada", causedBy: null });
    expect((await loadLifecycle(stage.test.database, lifecycleId))?.status).toBe("running");
    const before = await stageOf("snapshot");
    await stage.run("snapshotData", { lifecycleId, round: 2 });
    // What passed is kept: no second snapshot in the second round.
    expect(await stageOf("snapshot")).toEqual(before);
    expect((await loadLifecycle(stage.test.database, lifecycleId))?.stages.map(({ stage: name }) => name)).toEqual([
      "accept",
      "snapshot",
      "train",
    ]);
  });

  it("its gate says the same when it is asked again, and stays failed", async () => {
    const spec = stage.project.spec();
    const data = { ...spec.data, checks: { minimumRows: 1_000_000 } };
    const input = { lifecycleId, round: 1, spec: { ...spec, data }, startedBy: "ada", causedBy: null };
    await stage.run("acceptSpec", input);
    await stage.run("snapshotData", { lifecycleId, round: 1 });
    const first = await stage.run("validateData", { lifecycleId, round: 1 });
    expect(first).toMatchObject({ verdict: "fail", headline: expect.stringContaining("rows") });
    const before = await stage.countRows();
    expect(await stage.run("validateData", { lifecycleId, round: 1 })).toEqual(first);
    expect(await stage.countRows()).toEqual(before);
    expect(await stageOf("validate")).toMatchObject({ status: "failed", verdict: "fail", attempt: 1 });
  });

  it("with an error that nobody expected stays running, for the retry that comes", async () => {
    await accept();
    const thrown = work(async () => {
      throw new Error("connection reset");
    });
    await expect(thrown).rejects.toThrow("connection reset");
    expect(await stageOf("validate")).toMatchObject({ status: "running", attempt: 1, failure: null });
  });
});

/** A validation stage whose work is the test's own. */
async function work(done: () => Promise<StageEnd<"validate">>, environment = new MockActivityEnvironment()) {
  return await environment.run(() => runStage(stage.dependencies, { lifecycleId, round: 1 }, "validate", done));
}

const end = (headline: string): StageEnd<"validate"> => ({
  verdict: "pass",
  headline,
  record: async () => ({ report: "0".repeat(64), verdict: "pass", failedChecks: [] }),
});

describe("an attempt that was believed dead", () => {
  it("cannot overwrite the one that took over while that one works, and records nothing at all", async () => {
    await accept();
    const [late, newer] = [createDoor(), createDoor()];
    const first = work(async () => {
      await late.pass();
      return end("of the late attempt");
    });
    await late.reached;
    const second = work(async () => {
      await newer.pass();
      return end("of the newer attempt");
    });
    await newer.reached;
    const before = await stage.countRows();
    late.open();
    await expect(first).rejects.toMatchObject({ code: "STALE_ATTEMPT" });
    expect(await stage.countRows()).toEqual(before);
    newer.open();
    expect(await second).toMatchObject({ headline: "of the newer attempt" });
    expect(await stageOf("validate")).toMatchObject({ status: "passed", attempt: 2, headline: "of the newer attempt" });
  });

  it("is given the newer one's result when that one is through, and writes nothing", async () => {
    await accept();
    const late = createDoor();
    const first = work(async () => {
      await late.pass();
      return end("of the late attempt");
    });
    await late.reached;
    await work(async () => end("of the newer attempt"));
    const before = await stage.countRows();
    late.open();
    expect(await first).toMatchObject({ headline: "of the newer attempt" });
    expect(await stage.countRows()).toEqual(before);
  });

  it("cannot end the stage as failed under the newer one", async () => {
    await accept();
    const [late, newer] = [createDoor(), createDoor()];
    const first = work(async () => {
      await late.pass();
      throw new Failure("DATA_EMPTY", { where: "late", window: "" });
    });
    await late.reached;
    const second = work(async () => {
      await newer.pass();
      return end("fine");
    });
    await newer.reached;
    late.open();
    await expect(first).rejects.toMatchObject({ code: "STALE_ATTEMPT" });
    expect(await stageOf("validate")).toMatchObject({ status: "running", attempt: 2 });
    newer.open();
    expect(await second).toMatchObject({ verdict: "pass" });
  });
});

describe("a cancellation", () => {
  async function startTraining(
    environment: MockActivityEnvironment,
  ): Promise<{ training: Promise<unknown>; pid: number }> {
    await accept({ durationMs: 120_000 });
    await stage.run("snapshotData", { lifecycleId, round: 1 });
    const training = stage.run("trainModel", { lifecycleId, round: 1 }, environment);
    training.catch(() => undefined);
    const starts = join(stage.directory, "work", lifecycleId, "1", "train", "starts.txt");
    // The file is there a moment before its line.
    await until(() => existsSync(starts) && readFileSync(starts, "utf8").endsWith("\n"));
    return { training, pid: Number(readFileSync(starts, "utf8")) };
  }

  it("by a person ends the trainer before the activity ends, and marks the stage cancelled", async () => {
    const environment = new MockActivityEnvironment();
    const { training, pid } = await startTraining(environment);
    expect(isRunning(pid)).toBe(true);
    environment.cancel();
    await expect(training).rejects.toBeInstanceOf(CancelledFailure);
    expect(isRunning(pid)).toBe(false);
    expect(await stageOf("train")).toMatchObject({ status: "cancelled", failure: { code: "CANCELLED" } });
    expect(await auditOf("train")).toMatchObject([{ status: "cancelled" }]);
  });

  it("because the worker stops ends the trainer too, but leaves the stage to the next worker", async () => {
    const environment = new MockActivityEnvironment();
    const { training, pid } = await startTraining(environment);
    environment.cancel("WORKER_SHUTDOWN", new ActivityCancellationDetails({ workerShutdown: true }));
    await expect(training).rejects.toBeInstanceOf(CancelledFailure);
    expect(isRunning(pid)).toBe(false);
    expect(await stageOf("train")).toMatchObject({ status: "running", failure: null });
    expect(await auditOf("train")).toEqual([]);
  });
});
