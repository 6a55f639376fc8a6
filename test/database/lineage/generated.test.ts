import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { generateLineage, type GeneratedLineage } from "../../../bench/lineage-data.ts";
import { measureLineage } from "../../../bench/lineage-measures.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { addVersion } from "../sample.ts";

/** What benchmarks ask about must be what the application would have recorded, or they measure something else. */
let test: TestDatabase;
let generated: GeneratedLineage;
beforeAll(async () => {
  test = await createTestDatabase();
  for (const model of ["one", "two"]) {
    for (const bytes of ["a", "b", "c"]) await addVersion(test.database, model, `${model} ${bytes}`);
  }
  generated = await generateLineage(test.admin);
});
afterAll(async () => {
  await test.close();
});

describe("generated lineage", () => {
  it("stores the closures and counts that its edges have", async () => {
    const { rows } = await test.admin.query(
      `SELECT id FROM execution
       WHERE upstream IS DISTINCT FROM upstream_of_execution(id)
         OR used_count <> (SELECT count(*) FROM used WHERE execution = id)
         OR generated_count <> (SELECT count(*) FROM generated WHERE execution = id)
         OR EXISTS (SELECT FROM used WHERE execution = id AND made_by IS DISTINCT FROM maker_of(node, lifecycle))`,
    );
    expect(rows).toEqual([]);
    expect(generated).toMatchObject({ versionCount: 6, wideVersionCount: 6 });
  });

  it("is answered whole", async () => {
    const few = { ...generated, inferenceIds: generated.inferenceIds.slice(0, 10) };
    const measures = await measureLineage(test.database, few, 1);
    expect(measures).toHaveLength(5);
    for (const { value } of measures) expect(value).toBeGreaterThan(0);
  });

  it("leaves the database ready to be written as before", async () => {
    expect((await addVersion(test.database, "one", "after")).number).toBe(4);
    const { rows } = await test.admin.query(
      "SELECT count(*)::integer AS indexes FROM pg_indexes WHERE tablename IN ('used', 'generated', 'execution')",
    );
    expect(rows).toEqual([{ indexes: 8 }]);
  });
});
