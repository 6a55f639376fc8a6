import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { findDerivation } from "../../db/queries/derivation.ts";
import { finishStageRun, startStageRun } from "../../db/queries/stage-run.ts";
import { audited } from "../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { addArtifact, addLifecycle, addVersion, digest, facts, insertVersion, signature } from "./sample.ts";

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(() => test.close());

describe("what a version was rewritten from", () => {
  it("is its parent's bytes and the report of the stage that made it", async () => {
    const parent = await addVersion(test.database, "derived", "parent");
    await addLifecycle(test.database, "derivation", "derived");
    const key = { lifecycle: "derivation", round: 1, name: "optimized" };
    const child = await audited(test.database).transaction(async (tx) => {
      const artifact = await addArtifact(tx, "child");
      const made = { model: "derived", artifact, signature, facts, createdBy: "ada", key } as const;
      const version = await insertVersion(tx, { ...made, origin: "optimized", parentVersion: parent.id });
      const run = await startStageRun(tx, { lifecycle: "derivation", stage: "optimize", round: 1 });
      const reference = { versionId: version.id, model: "derived", number: version.number, digest: artifact };
      const result = { version: reference, report: digest("report"), chosen: "static-int8" };
      const { id, attempt } = run;
      await finishStageRun(tx, { id, attempt, status: "passed", verdict: "pass", result, headline: "" });
      return version;
    });
    expect(await findDerivation(test.database, { model: "derived", number: child.number })).toEqual({
      version: digest("child"),
      parent: digest("parent"),
      report: digest("report"),
      chosen: "static-int8",
    });
    expect(await findDerivation(test.database, { model: "derived", number: parent.number })).toBe("not-derived");
    expect(await findDerivation(test.database, { model: "derived", number: 99 })).toBeNull();
  });
});
