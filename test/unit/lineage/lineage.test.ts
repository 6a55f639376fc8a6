import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isFailure } from "../../../contracts/failures.ts";
import type { LineageGraph } from "../../../core/lineage/graph.ts";
import { lineageRenderers } from "../../../core/lineage/render.ts";
import { findLineagePath, walkLineage } from "../../../core/lineage/walk.ts";

const node = (ref: string, at: string | null = null) => ({ ref, kind: ref.split("/")[0] ?? "", label: ref, at });
const edge = (from: string, to: string, role = "input") => ({ from, to, role });

const graph: LineageGraph = {
  nodes: [
    node("prediction/p1", "2026-01-05T00:00:00Z"),
    node("model/flight-delay@2", "2026-01-04T00:00:00Z"),
    node("evaluation/e1", "2026-01-03T00:00:00Z"),
    node("artifact/april", "2026-01-02T00:00:00Z"),
    node("artifact/march", "2026-01-01T00:00:00Z"),
    node("model/other@1"),
  ],
  edges: [
    edge("model/flight-delay@2", "prediction/p1", "answered by"),
    edge("evaluation/e1", "model/flight-delay@2", "evidence"),
    edge("artifact/april", "evaluation/e1", "evaluated on"),
    edge("artifact/march", "model/flight-delay@2", "trained on"),
    edge("artifact/march", "evaluation/e1", "overlap checked"),
  ],
  truncated: false,
};

describe("lineage", () => {
  it("walks upstream to everything a prediction was made from, and to nothing else", () => {
    const walk = walkLineage(graph, "prediction/p1", "upstream");
    expect(walk.nodes.map(({ ref }) => ref)).toEqual([
      "prediction/p1",
      "model/flight-delay@2",
      "artifact/march",
      "evaluation/e1",
      "artifact/april",
    ]);
    expect(walk).toMatchObject({ complete: true, missing: [], cycles: [] });
  });

  it("walks downstream to everything that came of an artifact", () => {
    const walk = walkLineage(graph, "artifact/april", "downstream");
    expect(walk.nodes.map(({ ref }) => ref)).toEqual([
      "artifact/april",
      "evaluation/e1",
      "model/flight-delay@2",
      "prediction/p1",
    ]);
  });

  it("finds the shortest path downstream, and says null where there is none", () => {
    expect(findLineagePath(graph, "artifact/march", "prediction/p1")?.map(({ role }) => role)).toEqual([
      "trained on",
      "answered by",
    ]);
    expect(findLineagePath(graph, "prediction/p1", "artifact/march")).toBeNull();
    expect(findLineagePath(graph, "artifact/march", "artifact/march")).toEqual([]);
  });

  it("refuses a reference that is not in the graph", () => {
    for (const attempt of [
      () => walkLineage(graph, "model/none@1", "upstream"),
      () => findLineagePath(graph, "artifact/march", "model/none@1"),
    ]) {
      expect(attempt).toThrow(expect.toSatisfy((thrown) => isFailure(thrown) && thrown.code === "REFERENCE_UNKNOWN"));
    }
  });

  it("draws a tree whose repeated nodes are shown once", () => {
    expect(lineageRenderers.tree(walkLineage(graph, "prediction/p1", "upstream"))).toBe(
      `prediction/p1  2026-01-05T00:00:00Z
└─ answered by: model/flight-delay@2  2026-01-04T00:00:00Z
   ├─ trained on: artifact/march  2026-01-01T00:00:00Z
   └─ evidence: evaluation/e1  2026-01-03T00:00:00Z
      ├─ overlap checked: artifact/march  2026-01-01T00:00:00Z (see above)
      └─ evaluated on: artifact/april  2026-01-02T00:00:00Z
complete: 5 nodes, 5 edges upstream of prediction/p1
`,
    );
  });

  it("ends at a circle, shows it and does not call the lineage complete", () => {
    const circular = { ...graph, edges: [...graph.edges, edge("prediction/p1", "artifact/march", "fed back")] };
    const walk = walkLineage(circular, "prediction/p1", "upstream");
    expect(walk.cycles).toEqual([edge("prediction/p1", "artifact/march", "fed back")]);
    const tree = lineageRenderers.tree(walk);
    expect(tree).toContain("(circle)");
    expect(tree).toContain("INCOMPLETE");
  });

  it("says when a node is named but not recorded, and when the loader stopped at its limit", () => {
    const partial = { ...graph, nodes: graph.nodes.filter(({ ref }) => ref !== "artifact/march"), truncated: true };
    const walk = walkLineage(partial, "prediction/p1", "upstream");
    expect(walk).toMatchObject({ missing: ["artifact/march"], truncated: true, complete: false });
    for (const format of ["tree", "dot", "mermaid"] as const) {
      expect(lineageRenderers[format](walk)).toMatch(/INCOMPLETE.*more is recorded.*not recorded: artifact\/march/);
    }
    expect(JSON.parse(lineageRenderers.json(walk))).toEqual(walk);
  });

  it("lets no label write to the terminal or out of its quotes", () => {
    const hostile = 'a"]; x [label="\u001b[31m\u202Eevil\n#quot;';
    const walk = walkLineage(
      { nodes: [{ ref: "r", kind: "k", label: hostile, at: null }], edges: [], truncated: false },
      "r",
      "upstream",
    );
    expect(lineageRenderers.tree(walk)).toBe(
      'k r  a"]; x [label="\uFFFD[31m\uFFFDevil\uFFFD#quot;\ncomplete: 1 nodes, 0 edges upstream of r\n',
    );
    expect(lineageRenderers.dot(walk)).toContain(
      '"r" [label="k: a\\"]; x [label=\\" [31m\u202Eevil #quot;", penwidth=2];',
    );
    expect(lineageRenderers.mermaid(walk)).toContain(
      'n0["k: a#34;#93;#59; x #91;label#61;#34;#27;#91;31m#8238;evil#10;#35;quot#59;"]',
    );
  });

  it("walks any graph, circles included, to an end that does not depend on the order of its rows", () => {
    const graphs = fc.array(fc.tuple(fc.nat(12), fc.nat(12)), { maxLength: 40 }).map((pairs): LineageGraph => ({
      nodes: Array.from({ length: 13 }, (_, index) => node(`n/${index}`)),
      edges: pairs.map(([from, to]) => edge(`n/${from}`, `n/${to}`)),
      truncated: false,
    }));
    fc.assert(
      fc.property(graphs, (any) => {
        const walk = walkLineage(any, "n/0", "downstream");
        const reversed = walkLineage(
          { ...any, nodes: any.nodes.toReversed(), edges: any.edges.toReversed() },
          "n/0",
          "downstream",
        );
        expect(reversed).toEqual(walk);
        // Every edge is one line, and the root is one.
        expect(lineageRenderers.tree(walk).split("\n").length).toBe(walk.edges.length + 3);
        for (const { ref } of walk.nodes) expect(findLineagePath(any, "n/0", ref)).not.toBeNull();
      }),
    );
  });

  it("walks a chain of a hundred thousand nodes without running out of stack", () => {
    const length = 100_000;
    const chain: LineageGraph = {
      nodes: Array.from({ length }, (_, index) => node(`n/${index}`)),
      edges: Array.from({ length: length - 1 }, (_, index) => edge(`n/${index}`, `n/${index + 1}`)),
      truncated: false,
    };
    expect(walkLineage(chain, "n/0", "downstream")).toMatchObject({ complete: true, nodes: { length } });
  });
});
