import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { createLineageReader, type LineageReader } from "../../../client/lineage.ts";
import { openActivityStage, type ActivityStage } from "./activity-stage.ts";
import { live } from "./live.ts";

let stage: ActivityStage;
let reader: LineageReader;

beforeAll(async () => {
  stage = await openActivityStage();
  reader = createLineageReader(stage.test.database);
  await live(stage, { lifecycleId: "first", round: 1 }, 1);
  await live(stage, { lifecycleId: "second", round: 1 }, 2);
});
afterAll(async () => await stage.close());

const kindsOf = (refs: readonly { readonly ref: string }[]) => refs.map(({ ref }) => ref.slice(0, ref.indexOf("/")));

describe("the lineage of a lifecycle", () => {
  it("leads from the monitor to the source, the trainer's code and the lifecycle, each named in a few words", async () => {
    const graph = await reader.lineage("monitor/tiny.v1");
    expect(graph).toMatchObject({ complete: true, truncatedBy: null });
    expect(graph.executions.map(({ kind }) => kind)).toEqual(["snapshot", "train", "register", "admit", "monitor"]);
    expect(graph.used.map(({ role }) => role).sort()).toEqual([
      "baseline",
      "bytes",
      "lifecycle",
      "source",
      "trainer",
      "training-data",
      "training-data",
      "version",
      "version",
    ]);
    const labels = new Map(graph.nodes.map(({ ref, label }) => [ref, label]));
    expect(labels.get("model/tiny@1")).toBe("trained");
    expect(labels.get("lifecycle/first")).toBe("running");
    expect([...labels.values()].filter((label) => /^\d[\d,]* rows, 20/.test(label))).toHaveLength(1);
    expect([...labels.values()].filter((label) => label.startsWith("model, "))).toHaveLength(1);
  });

  it("tells who ran which code with which settings, and no two kinds of work the same", async () => {
    const { rows } = await stage.test.admin.query(
      `SELECT count(*)::int AS executions, count(DISTINCT parameters_digest)::int AS parameters, bool_and(workflow_id = 'test') AS named,
         array_agg(DISTINCT code_digest::text) AS code, bool_and(started_at < sealed_at) AS timed
       FROM execution WHERE lifecycle = 'first'`,
    );
    expect(rows).toMatchObject([{ parameters: 10, named: true, code: ["c0de".repeat(16)], timed: true }]);
  });

  it("leads downstream from the training data to versions, evaluations, approvals and rollouts, and says what they served", async () => {
    const [data] = (await reader.lineage("model/tiny@1")).used.filter(({ role }) => role === "training-data");
    const graph = await reader.lineage(data?.ref ?? "", { direction: "downstream" });
    const kinds = new Set(kindsOf(graph.nodes));
    for (const kind of ["model", "evaluation", "approval", "rollout", "monitor", "artifact"])
      expect(kinds).toContain(kind);
    const impact = await reader.impact(data?.ref ?? "");
    expect(impact).toMatchObject({ complete: true, versionCount: 2, predictionCount: 0 });
    expect(new Set(impact.versions)).toEqual(new Set(["model/tiny@1", "model/tiny@2"]));
    expect(impact.epochs.map(({ version, arm }) => `${version} ${arm}`)).toEqual([
      "model/tiny@2 champion",
      "model/tiny@1 champion",
    ]);
  });

  it("has a path from the source to a rollout", async () => {
    const source = (await reader.lineage("model/tiny@2")).used.find(({ role }) => role === "source")?.ref ?? "";
    const path = await reader.lineagePath("rollout/second-1", source);
    expect(path.steps?.map(({ execution }) => execution.kind)).toEqual(["snapshot", "train", "register", "rollout"]);
    expect(path).toMatchObject({ from: source, to: "rollout/second-1", complete: true });
  });
});

describe("the difference of two versions", () => {
  it("is what was set differently and what came of it; the rest is alike", async () => {
    const comparison = await reader.compareVersions("tiny@1", "model/tiny@2");
    expect(comparison).toMatchObject({ left: "tiny@1", right: "tiny@2", complete: true });
    const different = comparison.differences.filter(({ same }) => !same);
    expect(different).toContainEqual({
      aspect: "parameters",
      name: "training.seed",
      left: "1",
      right: "2",
      same: false,
    });
    expect(different.map(({ aspect }) => aspect)).not.toContain("data");
    expect(different.map(({ aspect }) => aspect)).not.toContain("source");
    const alike = comparison.differences.filter(({ same }) => same);
    for (const aspect of ["data", "source", "code", "gates", "metrics", "parameters"]) {
      expect(alike.map((one) => one.aspect)).toContain(aspect);
    }
    const approved = comparison.differences.filter(({ aspect }) => aspect === "approvals");
    expect(approved).toMatchObject([{ name: "approve by grace", same: false }]);
    expect(comparison.differences.find(({ name }) => name === "roc-auc")?.left).toMatch(
      /^[\d.]+ \([\d.]+ to [\d.]+\)$/,
    );
  });

  it("of a version with itself is none", async () => {
    const { differences } = await reader.compareVersions("tiny@1", "tiny@1");
    expect(differences.length).toBeGreaterThan(20);
    expect(differences.filter(({ same }) => !same)).toEqual([]);
  });
});

describe("a reference that is wrong", () => {
  it.each([
    "model/nobody@1",
    "artifact/00000000",
    "lifecycle/nobody",
    "source/'; DROP TABLE execution; --",
    `source/${"é".repeat(1500)}`,
    "evaluation/not-a-uuid",
  ])("is unknown: %s", async (reference) => {
    for (const asking of [
      () => reader.lineage(reference),
      () => reader.impact(reference),
      () => reader.lineagePath(reference, "model/tiny@1"),
    ]) {
      await expect(asking()).rejects.toMatchObject({ code: "REFERENCE_UNKNOWN" });
    }
  });

  it.each([
    "",
    "/",
    "model/",
    "model/tiny",
    "model/Tiny@1",
    "model/tiny@0",
    "model/tiny@99999999999",
    "artifact/xyz",
    "lifecycle/\0",
    "lifecycle/\uD800",
    "lifecycle/\u202Eevil",
    `source/${"x".repeat(10_000_000)}`,
    "unknown/x",
  ])("is refused", async (reference) => {
    for (const asking of [
      () => reader.lineage(reference),
      () => reader.impact(reference),
      () => reader.lineagePath("model/tiny@1", reference),
      () => reader.compareVersions(reference, "model/tiny@1"),
    ]) {
      await expect(asking()).rejects.toMatchObject({ code: "REFERENCE_INVALID" });
    }
  });

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1e9])("as a limit of %s is refused", async (limit) => {
    await expect(reader.lineage("model/tiny@1", { limit })).rejects.toMatchObject({ code: "INPUT_INVALID" });
  });

  it("is neither confused by a digest's first digits when several have them", async () => {
    const digests = (await reader.lineage("monitor/tiny.v2")).nodes.flatMap(
      ({ ref }) => /^artifact\/(.*)/.exec(ref)?.[1] ?? [],
    );
    const [digest = ""] = digests;
    expect((await reader.lineage(`artifact/${digest.slice(0, 12)}`)).roots).toEqual([`artifact/${digest}`]);
  });
});
