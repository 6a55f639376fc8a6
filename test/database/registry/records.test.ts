import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { findSnapshot, recordSnapshot } from "../../../db/queries/artifact.ts";
import { findPassingEvaluation, loadEvaluation, recordEvaluation } from "../../../db/queries/evaluation.ts";
import { createLifecycle, listLifecycles, loadLifecycle, setLifecycleStatus } from "../../../db/queries/lifecycle.ts";
import { ensureModel, findVersion, findVersionById, registerVersion } from "../../../db/queries/model.ts";
import { searchModels } from "../../../db/queries/registry/models.ts";
import { searchVersions } from "../../../db/queries/registry/versions.ts";
import { findPassedStageRun, finishStageRun, startStageRun } from "../../../db/queries/stage-run.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import {
  addArtifact,
  addEvaluation,
  addLifecycle,
  addVersion,
  digest,
  facts,
  provenance,
  reportFor,
  signature,
  specFor,
} from "../sample.ts";

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(async () => {
  await test.close();
});

describe("model versions", () => {
  it("have numbers without a gap after 111 registrations at once, 11 of which fail", async () => {
    await audited(test.database).transaction((tx) => ensureModel(tx, "crowded"));
    const register = (index: number) =>
      audited(test.database).transaction(async (tx) => {
        const version = await registerVersion(
          tx,
          {
            model: "crowded",
            artifact: await addArtifact(tx, `crowded ${index}`),
            signature,
            origin: "registered",
            parentVersion: null,
            facts,
            createdBy: "ada",
            key: null,
          },
          provenance(),
        );
        if (index % 10 === 3) throw new Error("killed before the commit");
        return version.number;
      });
    const ends = await Promise.allSettled(Array.from({ length: 111 }, (_, index) => register(index)));
    const numbers = ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  });

  it("are found again by what made them, and refuse other bytes under the same key", async () => {
    await addLifecycle(test.database, "lc-key", "keyed");
    const register = (bytes: string) =>
      audited(test.database).transaction(async (tx) =>
        registerVersion(
          tx,
          {
            model: "keyed",
            artifact: await addArtifact(tx, bytes),
            signature,
            origin: "trained",
            parentVersion: null,
            facts,
            createdBy: "ada",
            key: { lifecycle: "lc-key", round: 1, name: "trained" },
          },
          provenance(),
        ),
      );
    const attempts = await Promise.all([register("bytes"), register("bytes"), register("bytes")]);
    expect(new Set(attempts.map(({ id }) => id)).size).toBe(1);
    await expect(register("other bytes")).rejects.toMatchObject({ code: "OPERATION_CONFLICT" });
    const { versions } = await searchVersions(test.database, { model: "keyed", limit: 50 });
    expect(versions).toMatchObject([{ ...attempts[0] }]);
    expect((await addVersion(test.database, "keyed", "next")).number).toBe(2);
  });

  it("are found by number and id with their signature, and not found otherwise", async () => {
    const version = await addVersion(test.database, "found", "bytes");
    expect(version).toMatchObject({ number: 1, signature, facts });
    expect(await findVersion(test.database, { model: "found", number: 1 })).toEqual(version);
    expect(await findVersionById(test.database, version.id)).toEqual(version);
    expect(await findVersion(test.database, { model: "found", number: 2 })).toBeNull();
  });

  it("are counted by model, and a model without one has none", async () => {
    await audited(test.database).transaction((tx) => ensureModel(tx, "empty"));
    const { models } = await searchModels(test.database, { limit: 500 });
    const counted = models.map(({ name, versionCount, latestNumber }) => ({ name, versionCount, latestNumber }));
    expect(counted).toContainEqual({ name: "empty", versionCount: 0, latestNumber: null });
    expect(counted).toContainEqual({ name: "crowded", versionCount: 100, latestNumber: 100 });
  });

  it("whose stored signature does not match the contract are refused on reading, not misread", async () => {
    const version = await addVersion(test.database, "misread", "bytes");
    await test.admin.query("ALTER TABLE model_version DISABLE TRIGGER USER");
    await test.admin.query(`UPDATE model_version SET signature = '{"inputs": []}' WHERE id = $1`, [version.id]);
    await expect(findVersionById(test.database, version.id)).rejects.toThrow(/inputs/);
    await test.admin.query("ALTER TABLE model_version ENABLE TRIGGER USER");
  });
});

describe("dataset snapshots", () => {
  it("keep what they are and where they came from", async () => {
    const values = {
      digest: digest("rows"),
      description: { columns: [{ name: "late", type: "boolean" }], rowCount: 3, window: null, timeRange: null },
      sourcePath: "flights.parquet",
      sourceDigest: digest("source"),
      selectExpressions: { late: "delay > 15" },
      window: { from: "2001-01-01", to: "2001-04-01" },
    } as const;
    await audited(test.database).transaction(async (tx) => {
      await addArtifact(tx, "rows");
      const { columns } = values.description;
      await recordSnapshot(tx, { ...values, description: { ...values.description, columns: [...columns] } });
    });
    expect(await findSnapshot(test.database, values.digest)).toMatchObject(values);
    expect(await findSnapshot(test.database, digest("no rows"))).toBeNull();
  });
});

describe("lifecycles", () => {
  it("are one lifecycle under one id with one spec", async () => {
    const first = await addLifecycle(test.database, "lc-same", "same");
    expect(await addLifecycle(test.database, "lc-same", "same")).toEqual(first);
    const other = { ...specFor("same"), approval: { required: false } };
    const create = audited(test.database).transaction((tx) =>
      createLifecycle(tx, { id: "lc-same", spec: other, startedBy: "ada", reason: "", causedBy: null }),
    );
    await expect(create).rejects.toMatchObject({ code: "OPERATION_CONFLICT" });
  });

  it("move through their statuses, fail with a code and may be retried", async () => {
    await addLifecycle(test.database, "lc-moves", "moves");
    const to = (change: Omit<Parameters<typeof setLifecycleStatus>[1], "id">) =>
      audited(test.database).transaction((tx) => setLifecycleStatus(tx, { id: "lc-moves", ...change }));
    expect(await to({ status: "waiting" })).toMatchObject({ status: "waiting", finishedAt: null });
    expect(await to({ status: "failed", failureCode: "DATA_EMPTY", outcome: "no rows" })).toMatchObject({
      failureCode: "DATA_EMPTY",
      outcome: "no rows",
      finishedAt: expect.any(Date),
    });
    expect(await to({ status: "running" })).toMatchObject({ failureCode: null, finishedAt: null });
    expect(await to({ status: "completed" })).toMatchObject({ status: "completed" });
    await expect(
      audited(test.database).transaction((tx) => setLifecycleStatus(tx, { id: "nobody", status: "failed" })),
    ).rejects.toMatchObject({ code: "LIFECYCLE_UNKNOWN" });
  });

  it("are listed newest first, a page at a time, without a repetition or a loss", async () => {
    for (let index = 0; index < 7; index += 1) await addLifecycle(test.database, `lc-page-${index}`, "paged");
    const pages: string[] = [];
    for (let before: string | undefined; ;) {
      const page = await listLifecycles(test.database, { model: "paged", limit: 3, ...(before ? { before } : {}) });
      pages.push(...page.map(({ id }) => id));
      before = page.at(-1)?.id;
      if (page.length < 3) break;
    }
    expect(pages).toEqual([6, 5, 4, 3, 2, 1, 0].map((index) => `lc-page-${index}`));
  });

  it("are loaded with their stages and approvals", async () => {
    await addLifecycle(test.database, "lc-load", "loaded");
    await audited(test.database).transaction(async (tx) => {
      await startStageRun(tx, { lifecycle: "lc-load", stage: "accept", round: 1 });
      await startStageRun(tx, { lifecycle: "lc-load", stage: "snapshot", round: 1, config: { rows: 3 } });
    });
    const loaded = await loadLifecycle(test.database, "lc-load");
    expect(loaded?.spec).toEqual(specFor("loaded"));
    expect(loaded?.stages.map(({ stage, config }) => [stage, config])).toEqual([
      ["accept", null],
      ["snapshot", { rows: 3 }],
    ]);
    expect(loaded?.approvals).toEqual([]);
    expect(await loadLifecycle(test.database, "lc-none")).toBeNull();
  });
});

describe("stage runs", () => {
  const key = { lifecycle: "lc-stages", stage: "train", round: 1 } as const;
  const start = () => audited(test.database).transaction((tx) => startStageRun(tx, key));
  const finish = (end: Parameters<typeof finishStageRun>[1]) =>
    audited(test.database).transaction((tx) => finishStageRun(tx, end));

  it("are finished by the newest attempt alone, and a stale one records nothing", async () => {
    await addLifecycle(test.database, "lc-stages", "staged");
    const dead = await start();
    const alive = await start();
    expect([dead.attempt, alive.attempt, alive.id]).toEqual([1, 2, dead.id]);
    const artifact = digest("written by the dead");
    const stale = audited(test.database).transaction(async (tx) => {
      await addArtifact(tx, "written by the dead");
      await finishStageRun(tx, { id: dead.id, attempt: dead.attempt, status: "passed" });
    });
    await expect(stale).rejects.toMatchObject({ code: "STALE_ATTEMPT" });
    expect((await test.admin.query("SELECT FROM artifact WHERE digest = $1", [artifact])).rowCount).toBe(0);

    const end = { id: alive.id, attempt: 2, status: "passed", verdict: "pass", headline: "AUC 0.7" } as const;
    const finished = await finish(end);
    expect(finished).toMatchObject({ status: "passed", headline: "AUC 0.7", finishedAt: expect.any(Date) });
    expect(await finish(end)).toEqual(finished);
    await expect(finish({ id: alive.id, attempt: 2, status: "failed" })).rejects.toMatchObject({
      code: "STALE_ATTEMPT",
    });
    expect(await start()).toEqual(finished);
    expect(await findPassedStageRun(test.database, key)).toEqual(finished);
  });

  it("that failed start again with a clean slate", async () => {
    const again = { ...key, stage: "evaluate" } as const;
    const first = await audited(test.database).transaction((tx) => startStageRun(tx, again));
    await finish({ id: first.id, attempt: 1, status: "failed", failure: { code: "DATA_EMPTY" } });
    const second = await audited(test.database).transaction((tx) => startStageRun(tx, again));
    expect(second).toMatchObject({ id: first.id, attempt: 2, status: "running", failure: null, finishedAt: null });
    expect(await findPassedStageRun(test.database, again)).toBeNull();
  });

  it("may wait and be finished by the same attempt", async () => {
    const waiting = await audited(test.database).transaction((tx) => startStageRun(tx, { ...key, stage: "approve" }));
    expect(await finish({ id: waiting.id, attempt: 1, status: "waiting" })).toMatchObject({ finishedAt: null });
    expect(await finish({ id: waiting.id, attempt: 1, status: "passed" })).toMatchObject({ status: "passed" });
  });
});

describe("evaluations", () => {
  it("keep every metric, slice and gate, with undefined values as reasons", async () => {
    const version = await addVersion(test.database, "judged", "bytes");
    const { id } = await addEvaluation(test.database, version);
    const loaded = await loadEvaluation(test.database, id);
    expect(
      loaded?.metrics.map(({ metric, sliceValue, estimate, undefinedReason }) => [
        metric,
        sliceValue,
        estimate,
        undefinedReason,
      ]),
    ).toEqual([
      ["precision", "", null, "no predicted positives"],
      ["roc-auc", "", 0.7, null],
      ["precision", "SFO", null, "no predicted positives"],
    ]);
    expect(loaded?.gates).toMatchObject([{ position: 0, verdict: "pass", gate: { metric: "roc-auc", atLeast: 0.6 } }]);
  });

  it("are recorded once a stage run and version", async () => {
    await addLifecycle(test.database, "lc-eval", "evaluated");
    const version = await addVersion(test.database, "evaluated", "bytes");
    const record = () =>
      audited(test.database).transaction(async (tx) => {
        const run = await startStageRun(tx, { lifecycle: "lc-eval", stage: "evaluate", round: 1 });
        const report = reportFor(version, await addArtifact(tx, "data"));
        return await recordEvaluation(tx, {
          stageRun: run.id,
          modelVersion: version.id,
          championVersion: null,
          reportDigest: null,
          report,
        });
      });
    expect((await record()).id).toBe((await record()).id);
  });

  it("count as evidence only when they passed", async () => {
    const version = await addVersion(test.database, "evidence", "bytes");
    for (const verdict of ["fail", "inconclusive"] as const) await addEvaluation(test.database, version, verdict);
    expect(await findPassingEvaluation(test.database, version.id)).toBeNull();
    const passed = await addEvaluation(test.database, version);
    expect(await findPassingEvaluation(test.database, version.id)).toEqual(passed);
  });
});
