import * as fc from "fast-check";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { recordFixtureEvent } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { addLifecycle } from "../sample.ts";

interface Done {
  readonly used: readonly number[];
  readonly generated: readonly number[];
  readonly lifecycle: string | null;
}

let test: TestDatabase;
let app: Client;
beforeAll(async () => {
  test = await createTestDatabase();
  app = new Client({ connectionString: test.applicationUrl });
  await app.connect();
  for (const id of ["lc-1", "lc-2"]) await addLifecycle(test.database, id, "random");
});
afterAll(async () => {
  await app.end();
  await test.close();
});

/** Few things for many executions, so that things are made again, by others, and out of what came of them. */
const node = fc.nat(7);
const histories = fc.array(
  fc.record({
    used: fc.uniqueArray(node, { maxLength: 3 }),
    generated: fc.uniqueArray(node, { minLength: 1, maxLength: 2 }),
    lifecycle: fc.constantFrom(null, "lc-1", "lc-2"),
  }),
  { minLength: 1, maxLength: 14 },
);

/** Executions each one stands on, by walking: whatever it used, made by the newest of its lifecycle before it, else by the first. */
function naiveClosures(history: readonly Done[]): Set<number>[] {
  const closures: Set<number>[] = [];
  for (const [index, { used, lifecycle }] of history.entries()) {
    const closure = new Set<number>();
    for (const one of used) {
      const makers = history.slice(0, index).flatMap((done, at) => (done.generated.includes(one) ? [at] : []));
      const own = makers.filter((at) => lifecycle !== null && history[at]?.lifecycle === lifecycle);
      const maker = own.at(-1) ?? makers[0];
      if (maker === undefined) continue;
      closure.add(maker);
      for (const earlier of closures[maker] ?? []) closure.add(earlier);
    }
    closures.push(closure);
  }
  return closures;
}

let graphs = 0;

/** Records a history as the application and gives back what Postgres says of it, in positions of the history. */
async function ask(history: readonly Done[]) {
  graphs += 1;
  const prefix = `graph-${graphs}`;
  const parts = (nodes: readonly number[]) => nodes.map((one) => ({ ref: `${prefix}/${one}`, role: "input" }));
  const calls = history.map(({ used, generated, lifecycle }) => ({
    row: {
      kind: "train",
      lifecycle,
      workflow_id: "w",
      run_id: "r",
      activity_id: "1",
      attempt: 1,
      code_digest: "0".repeat(64),
      parameters_digest: "0".repeat(64),
    },
    used: parts(used),
    generated: parts(generated),
  }));
  await app.query("BEGIN");
  const recorded = await app.query<{ id: string }>(
    `SELECT record_execution(call -> 'row', call -> 'used', call -> 'generated') AS id FROM jsonb_array_elements($1) AS call`,
    [JSON.stringify(calls)],
  );
  await recordFixtureEvent(app);
  await app.query("COMMIT");
  const first = Number(recorded.rows[0]?.id);
  const positions = (ids: readonly string[] | null) => ids && ids.map((id) => Number(id) - first).sort((a, b) => a - b);
  const stored = await app.query<{ upstream: string[] | null }>(
    "SELECT upstream FROM execution WHERE id >= $1 ORDER BY id",
    [first],
  );
  const walked = await app.query<{ node: number; up: string[]; down: string[] }>(
    `SELECT split_part(ref, '/', 2)::integer AS node, ARRAY(SELECT upstream_executions(ref)) AS up,
       ARRAY(SELECT downstream_executions(ref)) AS down FROM lineage_node WHERE ref LIKE $1 ORDER BY 1`,
    [`${prefix}/%`],
  );
  return {
    stored: stored.rows.map(({ upstream }) => positions(upstream)),
    walked: walked.rows.map(({ node: one, up, down }) => ({ node: one, up: positions(up), down: positions(down) })),
  };
}

const sorted = (numbers: Iterable<number>) => [...numbers].sort((a, b) => a - b);

async function agrees(history: readonly Done[]): Promise<void> {
  const closures = naiveClosures(history);
  const { stored, walked } = await ask(history);
  expect(stored).toEqual(stored.map((upstream, index) => upstream && sorted(closures[index] ?? [])));
  for (const { node: one, up, down } of walked) {
    const makers = history.flatMap((done, at) => (done.generated.includes(one) ? [at] : []));
    expect(up).toEqual(sorted(new Set(makers.flatMap((at) => [at, ...(closures[at] ?? [])]))));
    const reaching = closures.flatMap((closure, at) =>
      [at, ...closure].some((earlier) => history[earlier]?.used.includes(one)) ? [at] : [],
    );
    expect(down).toEqual(reaching);
  }
}

describe("the closure of an execution, on random histories", () => {
  it("is what a naive walk finds, and so are both directions of every thing", async () => {
    await fc.assert(fc.asyncProperty(histories, agrees), { numRuns: 150 });
    const { rows } = await test.admin.query("SELECT FROM execution WHERE upstream IS NULL");
    expect(rows).toEqual([]);
  });

  it("is walked above the cap, with the same answers", async () => {
    await test.admin.query(
      "CREATE OR REPLACE FUNCTION lineage_closure_cap() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2'",
    );
    await fc.assert(fc.asyncProperty(histories, agrees), { numRuns: 150, seed: 7 });
    const { rows } = await test.admin.query<{ count: number }>(
      "SELECT count(*)::integer FROM execution WHERE upstream IS NULL",
    );
    expect(rows[0]?.count).toBeGreaterThan(100);
  });
});
