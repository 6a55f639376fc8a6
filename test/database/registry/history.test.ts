import * as fc from "fast-check";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { createId } from "../../../db/identifiers.ts";
import { listHistory, recordEntries } from "../../../db/queries/registry/entries.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { addVersion } from "../sample.ts";

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(async () => {
  await test.close();
});

const HISTORIES = 1000;
const LONGEST = 12;
const START = Date.parse("2026-01-01T00:00:00Z");

/** One saying of a history: a slot, a value or none, and how many seconds into the past it was true, or from now. */
interface Said {
  readonly number: number | null;
  readonly attribute: "description" | "tag" | "stage" | "risk-tier" | "alias";
  readonly key: string;
  readonly value: string | number | null;
  readonly second: number | null;
}

const second = fc.option(fc.integer({ min: 0, max: 5 }), { freq: 3 });
const said: fc.Arbitrary<Said> = fc.oneof(
  fc.record({
    number: fc.constantFrom(null, 1, 2),
    attribute: fc.constant("tag" as const),
    key: fc.constantFrom("a", "b"),
    value: fc.option(fc.constantFrom("x", "y", "")),
    second,
  }),
  fc.record({
    number: fc.constantFrom(null, 1, 2),
    attribute: fc.constant("description" as const),
    key: fc.constant(""),
    value: fc.option(fc.constantFrom("red", "green")),
    second,
  }),
  fc.record({
    number: fc.constantFrom(1, 2),
    attribute: fc.constant("stage" as const),
    key: fc.constant(""),
    value: fc.option(fc.constantFrom("staging", "production", "archived")),
    second,
  }),
  fc.record({
    number: fc.constant(null),
    attribute: fc.constant("alias" as const),
    key: fc.constantFrom("best", "next"),
    value: fc.option(fc.constantFrom(1, 2)),
    second,
  }),
  fc.record({
    number: fc.constant(null),
    attribute: fc.constant("risk-tier" as const),
    key: fc.constant(""),
    value: fc.option(fc.constantFrom("low", "high")),
    second,
  }),
);

interface Recorded {
  readonly id: number;
  readonly model: string;
  readonly number: number | null;
  readonly attribute: string;
  readonly key: string;
  readonly value: unknown;
  /** Microseconds since 1970. */
  readonly from: number;
  readonly at: number;
}

interface Probe {
  readonly model: string;
  readonly asOf: number;
  readonly knownAt: number;
}

type States = Record<string, Record<string, unknown>>;

/** The rule of truth once more, told naively: go through everything known by then, and let the later truth overrule. */
function replay(history: readonly Recorded[], { asOf, knownAt }: Probe): States {
  const winners = new Map<string, Recorded>();
  for (const entry of history) {
    if (entry.at > knownAt || entry.from > asOf) continue;
    const slot = JSON.stringify([entry.number, entry.attribute, entry.key]);
    const winner = winners.get(slot);
    if (!winner || entry.from > winner.from || (entry.from === winner.from && entry.id > winner.id))
      winners.set(slot, entry);
  }
  const states: States = {};
  for (const { number, attribute, key, value } of winners.values()) {
    const state = (states[String(number)] ??= {});
    if (value === null) continue;
    if (key === "") state[attribute] = value;
    else state[attribute] = { ...(state[attribute] as object | undefined), [key]: value };
  }
  return states;
}

const MICROSECONDS = (column: string) => `(extract(epoch FROM ${column}) * 1e6)::bigint`;

async function loadEntries(): Promise<Map<string, Recorded[]>> {
  const { rows } = await test.admin.query<Record<keyof Recorded, never>>(
    `SELECT id, model, number, attribute, key, value, ${MICROSECONDS("valid_from")} AS "from", ${MICROSECONDS("recorded_at")} AS at
     FROM registry_entry ORDER BY id`,
  );
  const histories = new Map<string, Recorded[]>();
  for (const row of rows) {
    const entry: Recorded = { ...row, id: Number(row.id), from: Number(row.from), at: Number(row.at) };
    histories.set(entry.model, [...(histories.get(entry.model) ?? []), entry]);
  }
  return histories;
}

async function askStates(probes: readonly Probe[]): Promise<States[]> {
  const moment = (name: string) => sql`timestamptz 'epoch' + (asked ->> ${name})::float8 * interval '1 microsecond'`;
  const { rows } = await test.database.execute<{ states: States | null }>(
    sql`SELECT (SELECT jsonb_object_agg(coalesce(number::text, 'null'), state)
        FROM registry_states(${moment("asOf")}, ${moment("knownAt")}) AS states WHERE states.model = asked ->> 'model') AS states
      FROM jsonb_array_elements(${JSON.stringify(probes)}::jsonb) WITH ORDINALITY AS probe (asked, place) ORDER BY place`,
  );
  return rows.map(({ states }) => states ?? {});
}

describe("the history of the registry", () => {
  it("answers as of any moment, as known at any other, what a naive replay of 1,000 random histories does", async () => {
    const histories = fc.sample(fc.array(said, { minLength: 1, maxLength: LONGEST }), HISTORIES);
    await test.admin.query("SET session_replication_role = replica");
    await test.admin.query(`INSERT INTO artifact VALUES (repeat('0', 64), 'model', 1, 'x')`);
    await test.admin.query("SET session_replication_role = DEFAULT");
    const models = histories.map((_, index) => ({ name: `history-${index}`, purpose: "" }));
    await audited(test.database).transaction((tx) =>
      tx.execute(sql`SELECT FROM record_model(${JSON.stringify(models)}::jsonb)`),
    );
    // Two statements: the number of a version is taken before and advanced after each.
    for (let versions = 0; versions < 2; versions += 1) {
      const rows = histories.map((_, index) => ({
        id: createId(),
        model: `history-${index}`,
        number: 0,
        artifact: "0".repeat(64),
        signature: {},
        origin: "registered",
        facts: {},
        created_by: "ada",
      }));
      await audited(test.database).transaction((tx) =>
        tx.execute(sql`SELECT FROM record_model_version(${JSON.stringify(rows)}::jsonb)`),
      );
    }
    // The first of every history, then the second of every history: each of them in a statement of its own.
    for (let place = 0; place < LONGEST; place += 1) {
      const rows = histories.flatMap((history, index) =>
        history.slice(place, place + 1).map(({ second: at, ...one }) => ({
          ...one,
          model: `history-${index}`,
          valid_from: at === null ? "infinity" : new Date(START + at * 1000).toISOString(),
          recorded_by: "ada",
        })),
      );
      await audited(test.database).transaction((tx) =>
        tx.execute(sql`SELECT FROM record_registry_entry(${JSON.stringify(rows)}::jsonb)`),
      );
    }

    const recorded = await loadEntries();
    const probes = [...recorded].flatMap(([model, history]): Probe[] => {
      const [first, last] = [history[0], history.at(-1)];
      const middle = history[Math.floor(history.length / 2)];
      if (!first || !last || !middle) return [];
      const everything = { model, asOf: last.at, knownAt: last.at };
      return [
        everything,
        { model, asOf: last.at, knownAt: middle.at },
        { model, asOf: START * 1000 + 2_000_000, knownAt: middle.at },
        { model, asOf: middle.from, knownAt: last.at },
        { model, asOf: middle.from - 1, knownAt: last.at - 1 },
      ];
    });
    expect(recorded.size).toBe(HISTORIES);
    const answers = await askStates(probes);
    const expected = probes.map((probe) => replay(recorded.get(probe.model) ?? [], probe));
    const wrong = probes.findIndex((_, index) => !equal(answers[index], expected[index]));
    expect([answers[wrong], probes[wrong]]).toEqual([expected[wrong], probes[wrong]]);
  });

  it("has the present as its projection: states, facets and words are those of the truth now", async () => {
    const { rows } = await test.admin.query(
      `SELECT model, number, state FROM (
         SELECT model, NULL::integer AS number, state FROM model_state UNION ALL SELECT model, number, state FROM version_state) AS present
       WHERE state <> coalesce((SELECT said.state FROM registry_states('infinity', 'infinity') AS said
         WHERE said.model = present.model AND said.number IS NOT DISTINCT FROM present.number), '{}')`,
    );
    expect(rows).toEqual([]);
    const documents = await test.admin.query(
      `SELECT version_state.model, version_state.number FROM version_state JOIN model_state AS owner USING (model)
         JOIN model_version AS version USING (model, number),
         model_document(model, owner.state) AS own,
         version_document(version, place, version_state.state, owner.state, own.words) AS document
       WHERE version_state.facets <> document.facets OR version_state.words <> document.words OR owner.words <> own.words`,
    );
    expect(documents.rows).toEqual([]);
    const aliased = await test.admin.query<{ facets: string[] }>(
      `SELECT facets FROM version_state WHERE 'alias best' = ANY (facets)`,
    );
    expect(aliased.rows.length).toBeGreaterThan(100);
  });

  it("takes nothing that is true from a moment to come, and changes nothing it has", async () => {
    await addVersion(test.database, "timely", "timely bytes");
    const say = (validFrom: string | null) =>
      audited(test.database).transaction((tx) =>
        recordEntries(tx, {
          model: "timely",
          number: null,
          sayings: [{ attribute: "purpose", key: "", value: "tell the time" }],
          validFrom,
          by: "ada",
          reason: "",
        }),
      );
    await expect(say("9999-01-01T00:00:00Z")).rejects.toMatchObject({ code: "INPUT_INVALID" });
    await say("2001-01-01T00:00:00Z");
    expect(await listHistory(test.database, { model: "timely", number: null })).toMatchObject([
      { attribute: "purpose", value: "tell the time", validFrom: "2001-01-01T00:00:00.000000Z" },
    ]);
    for (const change of [
      "UPDATE registry_entry SET value = '1'",
      "DELETE FROM registry_entry",
      "TRUNCATE registry_entry CASCADE",
    ])
      await expect(test.admin.query(change)).rejects.toThrow(/append-only/);
  });

  it("orders what 40 say about one alias at once: one entry each, and the present is the last of them", async () => {
    for (let index = 0; index < 5; index += 1) await addVersion(test.database, "moved", `moved ${index}`);
    const move = (number: number) =>
      audited(test.database).transaction((tx) =>
        recordEntries(tx, {
          model: "moved",
          number,
          sayings: [{ attribute: "alias", key: "best", value: number }],
          validFrom: null,
          by: "ada",
          reason: "",
        }),
      );
    await Promise.all(Array.from({ length: 40 }, (_, index) => move((index % 5) + 1)));
    const history = await listHistory(test.database, { model: "moved", number: null });
    expect(history).toHaveLength(40);
    expect(history.map(({ recordedAt }) => recordedAt)).toEqual(history.map(({ recordedAt }) => recordedAt).sort());
    const { rows } = await test.admin.query<{ number: number }>(
      `SELECT number FROM version_state WHERE model = 'moved' AND 'alias best' = ANY (facets)`,
    );
    expect(rows).toEqual([{ number: history.at(-1)?.value }]);
  });
});

const equal = (one: unknown, other: unknown): boolean => {
  const sorted = (value: unknown): unknown =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(
          Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, one]) => [key, sorted(one)]),
        )
      : value;
  return JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
};
