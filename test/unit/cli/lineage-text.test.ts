import { describe, expect, it } from "vitest";
import { renderPath } from "../../../cli/lineage-path.ts";
import { renderTree } from "../../../cli/lineage-tree.ts";
import { createPaint, textWidth } from "../../../client/text.ts";
import { graphOf, readAt } from "../lineage/sample-graph.ts";

const screen = { width: 100, paint: createPaint(false) };
const digest = "0123456789abcdef".repeat(4);
const life = [
  ["snapshot", { [`source/data/flights.parquet#${digest}`]: "source" }, { "artifact/march": "training-data" }],
  ["train", { "artifact/march": "training-data" }, { [`artifact/${digest}`]: "bytes" }],
  ["register", { [`artifact/${digest}`]: "bytes" }, { "model/m@1": "version" }],
] as const;
const labels = { "artifact/march": "1,000 rows", [`artifact/${digest}`]: "model, 281 kB", "model/m@1": "trained" };

describe("a lineage tree in the terminal", () => {
  it("has the tree at the left, what each thing is beside it, and what made it when", () => {
    expect(renderTree(graphOf("upstream", ["model/m@1"], labels, ...life), screen)).toEqual([
      "model/m@1                                        trained                   register 2026-01-01 00:02",
      "└─ bytes artifact/0123456789ab…                  model, 281 kB             train 2026-01-01 00:01",
      "   └─ training-data artifact/march               1,000 rows                snapshot 2026-01-01 00:00",
      "      └─ source source/…/flights.parquet#0123456789ab…",
      "",
      "complete: 4 things, 6 edges upstream of model/m@1; read at audit event 41 (5e5e5e5e5e5e)",
    ]);
  });

  it("keeps within its width, and lets no label write to the terminal", () => {
    const hostile = { ...labels, "model/m@1": `\u001b[31m\u202Eevil ${"long ".repeat(50)}` };
    const lines = renderTree(graphOf("upstream", ["model/m@1"], hostile, ...life), { ...screen, width: 60 });
    expect(Math.max(...lines.slice(0, -1).map(textWidth))).toBeLessThanOrEqual(60);
    expect(lines.join("")).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
  });
});

describe("a path in the terminal", () => {
  const reading = { complete: true, truncatedBy: null, nodeCount: 2, edgeCount: 2, readAt };
  const execution = { id: "2", kind: "train", label: "lc-1", at: "2026-01-01T00:01:00.000Z" };

  it("has a thing a line and between two of them what was done", () => {
    const step = { from: "artifact/march", role: "training-data", execution, to: "artifact/bytes" };
    expect(renderPath({ ...reading, from: step.from, to: step.to, steps: [step] }, screen)).toEqual([
      "artifact/march",
      "│  as training-data in train, lc-1, 2026-01-01 00:01 UTC",
      "artifact/bytes",
      "",
      "complete: 1 step; read at audit event 41 (5e5e5e5e5e5e)",
    ]);
  });

  it("that was not found says whether there is none", () => {
    const none = { ...reading, from: "a/1", to: "b/1", steps: null };
    expect(renderPath(none, screen).at(-1)).toMatch(/^complete: no way/);
    const cut = { ...none, complete: false, truncatedBy: "limit" } as const;
    expect(renderPath(cut, screen).at(-1)).toMatch(/^INCOMPLETE: no way; stopped at the limit/);
  });
});
