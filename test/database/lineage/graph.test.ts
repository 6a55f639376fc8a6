import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { findArtifacts } from "../../../db/queries/lineage/find-artifacts.ts";
import { findPath } from "../../../db/queries/lineage/find-path.ts";
import { loadGraph } from "../../../db/queries/lineage/load-graph.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { addLifecycle, execute, type SampleExecution } from "../sample.ts";

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(async () => {
  await test.close();
});

const record = (...executions: SampleExecution[]) =>
  audited(test.database).transaction(async (tx) => {
    const ids = [];
    for (const execution of executions) ids.push(await execute(tx, execution));
    return ids;
  });

const made = (from: readonly string[], ...to: string[]): SampleExecution => ({
  used: Object.fromEntries(from.map((ref) => [ref, "input"])),
  generated: Object.fromEntries(to.map((ref) => [ref, "output"])),
});

const load = async (ref: string, direction: "upstream" | "downstream", limit?: number) => {
  const graph = await loadGraph(test.database, { refs: [ref], direction, ...(limit === undefined ? {} : { limit }) });
  if (!graph) throw new Error(`${ref} is not in the graph`);
  return graph;
};
const refsOf = ({ nodes }: { readonly nodes: readonly { readonly ref: string }[] }) =>
  nodes.map(({ ref }) => ref).sort();

describe("the lineage graph", () => {
  it("is walked upstream and downstream, each thing and edge once however many paths lead to it", async () => {
    await record(made(["a/1"], "b/1"), made(["a/1"], "b/2"), made(["b/1", "b/2"], "c/1"), made(["c/1"], "d/1"));
    const upstream = await load("c/1", "upstream");
    expect(refsOf(upstream)).toEqual(["a/1", "b/1", "b/2", "c/1"]);
    expect(upstream).toMatchObject({ roots: ["c/1"], complete: true, truncatedBy: null, nodeCount: 4, edgeCount: 7 });
    expect(upstream.used).toHaveLength(4);
    expect(upstream.generated.map(({ ref }) => ref).sort()).toEqual(["b/1", "b/2", "c/1"]);
    expect(refsOf(await load("b/1", "downstream"))).toEqual(["b/1", "c/1", "d/1"]);
  });

  it("shows of an execution upstream only what lies on the way, not what else it generated", async () => {
    await record(made(["s/1"], "train/1", "test/1"), made(["train/1"], "m/1"), made(["m/1", "test/1"], "e/1"));
    expect(refsOf(await load("m/1", "upstream"))).toEqual(["m/1", "s/1", "train/1"]);
    expect(refsOf(await load("test/1", "downstream"))).toEqual(["e/1", "test/1"]);
  });

  it("of several things is the union of theirs", async () => {
    const graph = await loadGraph(test.database, { refs: ["e/1", "b/1"], direction: "upstream" });
    expect(graph?.roots).toEqual(["e/1", "b/1"]);
    expect(graph && refsOf(graph)).toEqual(["a/1", "b/1", "e/1", "m/1", "s/1", "test/1", "train/1"]);
  });

  it("of a thing that nobody made or used is not there", async () => {
    expect(await loadGraph(test.database, { refs: ["nobody/1"], direction: "upstream" })).toBeNull();
    expect(await findPath(test.database, { from: "a/1", to: "nobody/1" })).toBeNull();
  });

  it("of more than ten thousand things has the labels of the nearest ones, and says how many were looked up", async () => {
    for (const id of ["root", "near", "far"]) await addLifecycle(test.database, `wide-${id}`, "wide");
    const many = Array.from({ length: 10_000 }, (_, index) => `wide/${index}`);
    await record(
      made(["lifecycle/wide-root"], "lifecycle/wide-near"),
      made(["lifecycle/wide-near"], ...many),
      made(["wide/9"], "lifecycle/wide-far"),
    );
    const labelsIn = async (limit: number) => {
      const { nodes, labelledCount } = await load("lifecycle/wide-root", "downstream", limit);
      const told = nodes.filter(({ label }) => label !== "").map(({ ref, label }) => `${ref} ${label}`);
      return { labelledCount, told: told.sort() };
    };
    const near = ["lifecycle/wide-near running", "lifecycle/wide-root running"];
    expect(await labelsIn(20_000)).toEqual({ labelledCount: 1000, told: near });
    expect(await labelsIn(9000)).toEqual({ labelledCount: 9001, told: near });
    const far = await load("wide/9", "downstream");
    expect(far.nodes.find(({ ref }) => ref === "lifecycle/wide-far")).toMatchObject({ label: "running" });
  });

  it("says when the limit cut it, and what is left hangs together", async () => {
    await record(
      ...Array.from({ length: 30 }, (_, index) =>
        made([index === 0 ? "deep/start" : `deep/${index}`], `deep/${index + 1}`),
      ),
    );
    const cut = await load("deep/30", "upstream", 10);
    expect(cut).toMatchObject({ complete: false, truncatedBy: "limit" });
    expect(refsOf(cut)).toEqual(Array.from({ length: 11 }, (_, index) => `deep/${30 - index}`).sort());
    const forward = await load("deep/start", "downstream", 10);
    expect(forward).toMatchObject({ complete: false, truncatedBy: "limit", nodeCount: 11 });
    expect(await load("deep/30", "upstream", 30)).toMatchObject({ complete: true, nodeCount: 31 });
  });

  it("cut among the things of one execution shows no use of those that are cut off", async () => {
    await record(
      made(["cut/start"], "cut/1", "cut/2", "cut/3"),
      made(["cut/1"], "cut/4"),
      made(["cut/3", "cut/start"], "cut/5"),
    );
    for (const [limit, shown, uses] of [
      [2, ["cut/1", "cut/2", "cut/start"], 1],
      [3, ["cut/1", "cut/2", "cut/3", "cut/start"], 1],
      [4, ["cut/1", "cut/2", "cut/3", "cut/4", "cut/start"], 2],
      [5, ["cut/1", "cut/2", "cut/3", "cut/4", "cut/5", "cut/start"], 4],
    ] as const) {
      const graph = await load("cut/start", "downstream", limit);
      expect(refsOf(graph)).toEqual(shown);
      expect(graph.used).toHaveLength(uses);
      expect(graph.complete).toBe(limit === 5);
    }
  });

  it("is read at a position of the audit log", async () => {
    const { rows } = await test.admin.query<{ seq: string; hash: Buffer }>(
      "SELECT seq, hash FROM audit_head WHERE stream = 'modelwright'",
    );
    const [head] = rows;
    expect((await load("c/1", "upstream")).readAt).toEqual({
      stream: "modelwright",
      seq: Number(head?.seq),
      hash: head?.hash.toString("hex"),
    });
  });

  it("answers an unusual name as it is, and knows a digest by its first digits", async () => {
    const odd = `source/über "'; DROP TABLE execution; --/%_#\\${"x".repeat(1800)}`;
    await record(made([odd], `artifact/${"ab".repeat(32)}`), made([odd], `artifact/${"ab".repeat(31)}cd`));
    expect(refsOf(await load(odd, "downstream"))).toHaveLength(3);
    expect(await findArtifacts(test.database, "ab".repeat(31))).toHaveLength(2);
    expect(await findArtifacts(test.database, `${"ab".repeat(31)}c`)).toEqual([`artifact/${"ab".repeat(31)}cd`]);
    expect(await findArtifacts(test.database, "00")).toEqual([]);
  });
});

describe("bytes that are made twice", () => {
  it("are those of its own lifecycle for who uses them, else the first, and what is made later changes no past", async () => {
    for (const id of ["lc-1", "lc-2"]) await addLifecycle(test.database, id, "twice");
    const of = (lifecycle: string, execution: SampleExecution) => ({ ...execution, lifecycle });
    await record(
      of("lc-1", made(["data/1"], "bytes/1")),
      of("lc-1", made(["bytes/1"], "version/1")),
      of("lc-2", made(["data/2"], "bytes/1")),
      of("lc-2", made(["bytes/1"], "version/2")),
      made(["bytes/1"], "version/3"),
    );
    expect(refsOf(await load("version/1", "upstream"))).toEqual(["bytes/1", "data/1", "version/1"]);
    expect(refsOf(await load("version/2", "upstream"))).toEqual(["bytes/1", "data/2", "version/2"]);
    expect(refsOf(await load("version/3", "upstream"))).toEqual(["bytes/1", "data/1", "version/3"]);
    expect(refsOf(await load("data/2", "downstream"))).toEqual(["bytes/1", "data/2", "version/2"]);
  });

  it("have every way they were made when they themselves are asked about", async () => {
    expect(refsOf(await load("bytes/1", "upstream"))).toEqual(["bytes/1", "data/1", "data/2"]);
    expect(refsOf(await load("bytes/1", "downstream"))).toEqual(["bytes/1", "version/1", "version/2", "version/3"]);
  });

  it("make no circle when something leads back to them", async () => {
    await record(made(["loop/1"], "loop/2"), made(["loop/2"], "loop/3"), made(["loop/3"], "loop/1"));
    const graph = await load("loop/1", "upstream");
    expect(refsOf(graph)).toEqual(["loop/1", "loop/2", "loop/3"]);
    expect(graph).toMatchObject({ complete: true, edgeCount: 6 });
    expect(refsOf(await load("loop/2", "upstream"))).toEqual(["loop/1", "loop/2"]);
  });
});

describe("a path", () => {
  it("is a shortest one, downstream whichever end was named first", async () => {
    await record(made(["p/1"], "p/2"), made(["p/2"], "p/3"), made(["p/3", "p/1"], "p/4"), made(["p/4"], "p/5"));
    const path = await findPath(test.database, { from: "p/5", to: "p/1" });
    expect(path).toMatchObject({ from: "p/1", to: "p/5", complete: true, nodeCount: 3 });
    expect(path?.steps?.map(({ from, role, to }) => [from, role, to])).toEqual([
      ["p/1", "input", "p/4"],
      ["p/4", "input", "p/5"],
    ]);
  });

  it("is empty from a thing to itself, and none between things that have only a parent in common", async () => {
    expect((await findPath(test.database, { from: "p/1", to: "p/1" }))?.steps).toEqual([]);
    const none = await findPath(test.database, { from: "b/1", to: "b/2" });
    expect(none).toMatchObject({ steps: null, complete: true });
  });

  it("that was not found within the limit is not said to be none", async () => {
    const cut = await findPath(test.database, { from: "deep/start", to: "deep/30", limit: 5 });
    expect(cut).toMatchObject({ steps: null, complete: false, truncatedBy: "limit" });
  });
});
