import { describe, expect, it } from "vitest";
import { describeCompleteness } from "../../../core/lineage/describe-completeness.ts";
import { outlineTree } from "../../../core/lineage/outline-tree.ts";
import { lineageRenderers } from "../../../core/lineage/render.ts";
import { graphOf } from "./sample-graph.ts";

const life = [
  ["snapshot", { "source/f": "source" }, { "artifact/march": "training-data" }],
  ["train", { "artifact/march": "training-data" }, { "artifact/bytes": "bytes" }],
  ["register", { "artifact/bytes": "bytes" }, { "model/m@1": "version" }],
  ["evaluate", { "model/m@1": "version", "artifact/march": "evaluation-data" }, { "evaluation/e": "evaluation" }],
] as const;
const outline = (...graph: Parameters<typeof graphOf>) =>
  outlineTree(graphOf(...graph)).map(
    ({ branch, role, ref, madeBy, again }) => `${branch}${role} ${ref} ${madeBy?.kind ?? "-"}${again ? " again" : ""}`,
  );

describe("a lineage tree", () => {
  it("leads upstream from what was made to what it was made from, and shows what is repeated once", () => {
    expect(outline("upstream", ["evaluation/e"], {}, ...life)).toEqual([
      " evaluation/e evaluate",
      "├─ version model/m@1 register",
      "│  └─ bytes artifact/bytes train",
      "│     └─ training-data artifact/march snapshot",
      "│        └─ source source/f -",
      "└─ evaluation-data artifact/march snapshot again",
    ]);
  });

  it("leads downstream from what was used to what came of it", () => {
    expect(outline("downstream", ["artifact/march"], {}, ...life.slice(1))).toEqual([
      " artifact/march -",
      "├─ bytes artifact/bytes train",
      "│  └─ version model/m@1 register",
      "│     └─ evaluation evaluation/e evaluate",
      "└─ evaluation evaluation/e evaluate",
    ]);
  });

  it("shows bytes that were made twice once for each time, each with its own data", () => {
    const twice = [
      ["train", { "artifact/march": "training-data" }, { "artifact/bytes": "bytes" }],
      ["train", { "artifact/april": "training-data" }, { "artifact/bytes": "bytes" }],
    ] as const;
    expect(outline("upstream", ["artifact/bytes"], {}, ...twice)).toEqual([
      " artifact/bytes train",
      "└─ training-data artifact/march -",
      " artifact/bytes train",
      "└─ training-data artifact/april -",
    ]);
  });

  it("leads downstream from bytes that were made twice to what came of each", () => {
    const twice = [
      ["train", { "artifact/march": "training-data" }, { "artifact/bytes": "bytes" }],
      ["register", { "artifact/bytes": "bytes" }, { "model/m@1": "version" }],
      ["train", { "artifact/march": "training-data" }, { "artifact/bytes": "bytes" }],
      ["register", { "artifact/bytes": "bytes" }, { "model/m@2": "version" }],
    ] as const;
    expect(outline("downstream", ["artifact/march"], {}, ...twice)).toEqual([
      " artifact/march -",
      "├─ bytes artifact/bytes train",
      "│  └─ version model/m@1 register",
      "└─ bytes artifact/bytes train",
      "   └─ version model/m@2 register",
    ]);
  });

  it("of a chain of twenty thousand neither runs out of stack nor grows with the square of its length", () => {
    const chain = Array.from({ length: 20_000 }, (_, index) => ["train", index] as const).map(
      ([kind, index]) => [kind, { [`n/${index}`]: "parent" }, { [`n/${index + 1}`]: "bytes" }] as const,
    );
    const edges = chain.map(([, used, generated], index) => ({ used, generated, execution: String(index + 1) }));
    const graph = {
      ...graphOf("upstream", ["n/20000"], {}),
      nodes: [],
      executions: edges.map(({ execution }) => ({ id: execution, kind: "train", label: "", at: null })),
      used: edges.map(({ used, execution }, index) => ({
        execution,
        ref: Object.keys(used)[0] ?? "",
        role: "parent",
        madeBy: index === 0 ? null : String(index),
      })),
      generated: edges.map(({ generated, execution }) => ({
        execution,
        ref: Object.keys(generated)[0] ?? "",
        role: "bytes",
      })),
    };
    const rows = outlineTree(graph);
    expect(rows).toHaveLength(20_001);
    expect(rows.at(-1)).toMatchObject({ ref: "n/0", branch: expect.stringMatching(/^ +└─ 20000: $/) });
    expect(Math.max(...rows.map(({ branch }) => branch.length))).toBeLessThan(64);
  });
});

describe("a rendering", () => {
  it("says whether it is whole, by what it was cut, and when it was read", () => {
    const whole = graphOf("upstream", ["evaluation/e"], {}, ...life);
    expect(describeCompleteness(whole)).toBe(
      "complete: 5 things, 9 edges upstream of evaluation/e; read at audit event 41 (5e5e5e5e5e5e)",
    );
    const cut = { ...whole, complete: false, truncatedBy: "limit" } as const;
    for (const format of ["dot", "mermaid"] as const) {
      expect(lineageRenderers[format](cut)).toContain(
        "INCOMPLETE: 5 things, 9 edges upstream of evaluation/e; stopped",
      );
    }
    expect(describeCompleteness({ ...cut, truncatedBy: "older-release" })).toContain("migrate again");
    expect(JSON.parse(lineageRenderers.json(cut))).toEqual(cut);
  });

  it("draws things and executions, arrows in the direction of time", () => {
    const graph = graphOf("upstream", ["model/m@1"], { "artifact/bytes": "model" }, ...life.slice(2, 3));
    expect(lineageRenderers.dot(graph)).toContain('"artifact/bytes" -> "execution 1" [label="bytes"];');
    expect(lineageRenderers.dot(graph)).toContain('"execution 1" -> "model/m@1" [label="version"];');
    expect(lineageRenderers.mermaid(graph)).toContain('n1["artifact/bytes: model"]');
    expect(lineageRenderers.mermaid(graph)).toContain('n1 -->|"bytes"| e0');
    expect(lineageRenderers.mermaid(graph)).toContain('e0 -->|"version"| n0');
  });

  it("lets no label out of its quotes", () => {
    const hostile = 'a"]; x [label="\u001b[31m\u202Eevil\n#quot;';
    const graph = graphOf("upstream", ["r"], { r: hostile });
    expect(lineageRenderers.dot(graph)).toContain(
      '"r" [label="r: a\\"]; x [label=\\" [31m\u202Eevil #quot;", penwidth=2];',
    );
    expect(lineageRenderers.mermaid(graph)).toContain(
      'n0["r: a#34;#93;#59; x #91;label#61;#34;#27;#91;31m#8238;evil#10;#35;quot#59;"]',
    );
  });
});
