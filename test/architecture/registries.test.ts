import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { describe, expect, it } from "vitest";

import { trainers } from "../../adapters/training/trainers.ts";
import { FAILURES } from "../../contracts/failures.ts";
import { DATA_CHECKS, DRIFT_TESTS, METRICS, QUANTIZATION_PASSES } from "../../contracts/names.ts";
import { trainingSettingsSchema } from "../../contracts/training.ts";
import { DATA_CHECK_REGISTRY } from "../../core/data/checks/registry.ts";
import { driftTests } from "../../core/drift/tests/registry.ts";
import { metrics } from "../../core/evaluation/metrics.ts";
import { quantizationPasses } from "../../core/quantization/registry.ts";
import { projectRoot } from "../../local/data-directory.ts";

const byName = (plugIns: readonly { readonly name: string }[]) =>
  Object.fromEntries(plugIns.map((plugIn) => [plugIn.name, plugIn]));

describe("the registry of plug-ins", () => {
  it.each([
    ["metrics", metrics, METRICS],
    ["drift tests", driftTests, DRIFT_TESTS],
    ["data checks", DATA_CHECK_REGISTRY, DATA_CHECKS],
    ["quantization passes", byName(quantizationPasses), QUANTIZATION_PASSES],
    ["trainers", trainers, trainingSettingsSchema.shape.trainer.unwrap().options],
  ] as const)("of %s holds exactly the names people may write", (_kind, registry, names) => {
    expect(Object.keys(registry).sort()).toEqual([...names].sort());
  });

  it.each([...Object.entries(metrics), ...Object.entries(driftTests), ...Object.entries(DATA_CHECK_REGISTRY)])(
    "names %s as it names itself",
    (name, plugIn) => {
      expect(plugIn.name).toBe(name);
    },
  );
});

describe("generated files", () => {
  it("are what the contracts make of them now", async () => {
    const arguments_ = ["--import", "tsx", "docs/generate.ts", "--check"];
    await expect(promisify(execFile)(process.execPath, arguments_, { cwd: projectRoot })).resolves.toBeDefined();
  });

  it("explain every failure of the catalogue", async () => {
    const page = await readFile(join(projectRoot, "docs/failures.md"), "utf8");
    expect(Object.keys(FAILURES).filter((code) => !page.includes(`| \`${code}\` |`))).toEqual([]);
  });
});
