import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { evaluationSettings, gateText, parseGate } from "../../../cli/parse-gate.ts";

async function file(name: string, text: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "modelwright-gates-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const path = join(directory, name);
  await writeFile(path, text);
  return path;
}

describe("gates as people type them", () => {
  it.each([
    ["roc-auc>=0.6", { metric: "roc-auc", atLeast: 0.6, rows: "overall" }],
    [" log-loss <= 0.69 @every-slice", { metric: "log-loss", atMost: 0.69, rows: "every-slice" }],
    ["roc-auc>=champion-0.01", { metric: "roc-auc", notWorseThanChampionBy: 0.01, rows: "overall" }],
    ["log-loss<=champion+0.002", { metric: "log-loss", notWorseThanChampionBy: 0.002, rows: "overall" }],
  ])("reads %s", (text, gate) => {
    expect(parseGate(text)).toEqual(gate);
    expect(parseGate(gateText(parseGate(text)))).toEqual(gate);
  });

  it.each([
    "",
    "roc-auc",
    "roc-auc>0.6",
    "roc-auc>=",
    "roc-auc>=x",
    "roc-auc>=1e999",
    ">=0.6",
    "roc-auc>=0.6 and more",
  ])("refuses %j with an example of what it should be", (text) => {
    expect(() => parseGate(text)).toThrow("write METRIC>=NUMBER");
  });

  it("names the metrics there are when one is unknown", () => {
    expect(() => parseGate("auc>=0.6")).toThrow(/"auc" is not known; allowed: accuracy, .*roc-auc/);
  });

  it.each(["roc-auc<=champion+0.01", "log-loss>=champion-0.01", "roc-auc>=champion+0.01"])(
    "refuses %s: a challenger may be worse by a margin, never has to be",
    (text) => {
      expect(() => parseGate(text)).toThrow("may only be worse by so much");
    },
  );

  it("judges by the default gate only when none is named", async () => {
    const given = { file: undefined, gates: [], slices: ["origin"] };
    const settings = await evaluationSettings(given);
    expect(settings.gates.map(gateText)).toEqual(["roc-auc>=0.5"]);
    expect(settings.slices).toEqual(["origin"]);
    expect((await evaluationSettings({ ...given, gates: ["recall>=0.5"] })).gates.map(gateText)).toEqual([
      "recall>=0.5",
    ]);
  });

  it("reads a list of gates or a whole evaluation section, and adds what is typed", async () => {
    const list = await file("gates.yaml", "- { metric: roc-auc, atLeast: 0.7 }\n");
    const section = await file(
      "evaluation.json",
      '{"gates": [{"metric": "recall", "atLeast": 0.2}], "seed": 7, "slices": ["a"]}',
    );
    const settings = await evaluationSettings({ file: list, gates: ["f1>=0.1"], slices: [] });
    expect(settings.gates.map(gateText)).toEqual(["roc-auc>=0.7", "f1>=0.1"]);
    expect(await evaluationSettings({ file: section, gates: [], slices: ["b"] })).toMatchObject({
      seed: 7,
      slices: ["a", "b"],
    });
  });

  it("names every problem of a gates file with its path", async () => {
    const path = await file("gates.yaml", "- { metric: roc-auc, atLeas: 0.7 }\n- { metric: nope, atLeast: 1 }\n");
    await expect(evaluationSettings({ file: path, gates: [], slices: [] })).rejects.toThrow(
      /gates\.0: .*atLeas[\s\S]*gates\.1\.metric: /,
    );
  });
});
