import { tmpdir } from "node:os";
import { join } from "node:path";

import { beforeAll, describe, expect, it } from "vitest";

import { loadWorkflowBundle } from "../../workers/workflow-bundle.ts";

/** Every module of the bundle, by the path it had on disk. */
let modules: readonly string[];

beforeAll(async () => {
  const { code } = await loadWorkflowBundle(join(tmpdir(), "modelwright-test-bundles"));
  const map = /sourceMappingURL=data:application\/json;(?:charset=[^;]+;)?base64,([A-Za-z0-9+/=]+)/.exec(code)?.[1];
  if (map === undefined) throw new Error("the workflow bundle has no source map");
  const { sources } = JSON.parse(Buffer.from(map, "base64").toString("utf8")) as { sources: readonly string[] };
  modules = sources.filter((source) => !source.includes("/webpack/"));
});

const packageOf = (source: string): string | undefined =>
  /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(source)?.[1];

describe("the workflow bundle", () => {
  it("holds our workflows, and of the rest of the house only the leaf constants", () => {
    const ours = modules.flatMap((source) =>
      packageOf(source) ? [] : (/\/((?:\w+\/)+[\w-]+\.ts)$/.exec(source)?.[1] ?? []),
    );
    const names = ours.map((path) => path.split("/").slice(-2).join("/")).sort();
    expect(names).toContain("workflows/lifecycle.ts");
    expect(names).toContain("contracts/names.ts");
    const others = names.filter((name) => !/^workflows\/|^contracts\/(names|failures)\.ts$/.test(name));
    expect(others).toEqual([]);
  });

  it("holds no package but Temporal's own and what these need: each one is memory in every cached workflow", () => {
    const packages = new Set(modules.flatMap((source) => packageOf(source) ?? []));
    expect(packages).toContain("@temporalio/workflow");
    const allowed = /^@temporalio\/(workflow|common|worker|proto)$|^(long|ms|assert|url|util|nexus-rpc|heap-js)$/;
    expect([...packages].filter((name) => !allowed.test(name))).toEqual([]);
  });

  it("holds no Node built-in", () => {
    expect(modules.filter((source) => /external|node:/.test(source.replace(/.*node_modules\//, "")))).toEqual([]);
  });
});
