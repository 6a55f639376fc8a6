import type { Client } from "pg";

export interface RegistrySize {
  readonly models: number;
  readonly versions: number;
}

/**
 * Fills an empty, migrated registry set by set, as its owner and past its triggers, with what those would have made of it: models,
 * versions of all of them in turn, about three entries a version, the present they project to. What stands in the words and tags is
 * fixed by the number of a version, so that a benchmark knows what to ask:
 *
 * | asked | found in |
 * |---|---|
 * | `onnx` | every version |
 * | `even`, `odd` | every other version; both together nowhere |
 * | `percent` | one version in a hundred |
 * | `legacy` | the oldest fifth |
 * | `rareN` (0 to versions / 1000) | one version each |
 * | tag `build=bN` | one version each |
 * | stage `production`, alias `best` | one version a model |
 */
export async function generateRegistry(admin: Client, { models, versions }: RegistrySize): Promise<void> {
  await admin.query("SET session_replication_role = replica");
  await admin.query("DROP INDEX version_state_search");
  for (const [statement, values] of statements({ models, versions })) await admin.query(statement, values);
  await admin.query(
    "CREATE INDEX version_state_search ON version_state USING gin (facets, words) WITH (fastupdate = off)",
  );
  await admin.query("RESET session_replication_role");
  await admin.query("VACUUM ANALYZE artifact, model, model_version, model_state, version_state, registry_entry");
}

const MODEL = "'bench-' || lpad((%1 % $2::integer)::text, 6, '0')";
const modelOf = (index: string) => MODEL.replace("%1", index);
const digestOf = (index: string) => `encode(sha256(convert_to('version ' || ${index}, 'UTF8')), 'hex')`;
const idOf = (index: string) => `('00000000-0000-7000-8000-' || lpad(to_hex(${index}), 12, '0'))::uuid`;
/** A year of registrations, evenly. */
const timeOf = (index: string) => `timestamptz '2025-01-01Z' + ${index}::float8 / $1::integer * interval '365 days'`;

const SIGNATURE = {
  inputs: [
    {
      name: "x",
      datatype: "FP32",
      shape: [-1, 1],
      features: [{ kind: "number", column: "distance", mean: 0, deviation: 1 }],
    },
  ],
  outputs: [{ name: "p", datatype: "FP32", shape: [-1] }],
  label: "late",
  prediction: { kind: "binary", output: "p", threshold: 0.5 },
};
const FACTS = {
  inputs: [],
  outputs: [],
  opset: 21,
  nodeCount: 12,
  operators: ["MatMul"],
  parameterCount: 70_404,
  sizeBytes: 74_000,
};

function statements({ models, versions }: RegistrySize): readonly [string, unknown[]?][] {
  const size = [versions, models];
  const drawn = `generate_series(0, $1::integer - 1) AS i`;
  return [
    [
      `INSERT INTO model (name, purpose, next_version, created_at)
       SELECT ${modelOf("i")}, 'predict arrivals of fleet ' || i % 40, $1::integer / $2::integer + 1, timestamptz '2025-01-01Z'
       FROM generate_series(0, $2::integer - 1) AS i`,
      size,
    ],
    [
      `INSERT INTO artifact (digest, kind, size_bytes, media_type, created_at)
       SELECT ${digestOf("i")}, 'model', 74000, 'application/onnx', ${timeOf("i")} FROM ${drawn}`,
      [versions],
    ],
    [
      // Of five versions in a row of one model, the last was made from the one before it.
      `INSERT INTO model_version (id, model, number, artifact, signature, origin, parent_version, facts, created_by, created_at)
       SELECT ${idOf("i")}, ${modelOf("i")}, i / $2::integer + 1, ${digestOf("i")}, $3,
         CASE WHEN child THEN 'optimized' WHEN i % 10 = 3 THEN 'registered' ELSE 'trained' END,
         CASE WHEN child THEN ${idOf("i - $2::integer")} END, $4, 'ada', ${timeOf("i")}
       FROM ${drawn}, LATERAL (SELECT (i / $2::integer) % 5 = 4 AS child) AS kind`,
      [...size, JSON.stringify(SIGNATURE), JSON.stringify(FACTS)],
    ],
    [
      `CREATE TEMPORARY TABLE drawn AS
       SELECT ${modelOf("i")} AS model, NULL::integer AS number, timestamptz '2025-01-01Z' AS at, jsonb_strip_nulls(
           jsonb_build_object('owner', 'team-' || i % 50, 'purpose', 'predict arrivals of fleet ' || i % 40,
             'risk-tier', (ARRAY['low', 'medium', 'high'])[i % 3 + 1], 'tag', jsonb_build_object('fleet', 'f' || i % 40),
             'alias', jsonb_build_object('best', $1::integer / $2::integer))) AS state
         FROM generate_series(0, $2::integer - 1) AS i
       UNION ALL
       SELECT ${modelOf("i")}, i / $2::integer + 1, ${timeOf("i")}, jsonb_strip_nulls(jsonb_build_object(
           'stage', CASE WHEN i / $2::integer = $1::integer / $2::integer - 1 THEN 'production' WHEN i % 7 = 0 THEN 'archived' END,
           'description', concat_ws(' ', 'onnx', CASE i % 2 WHEN 0 THEN 'even' ELSE 'odd' END,
             CASE WHEN i % 100 = 0 THEN 'percent' END, CASE WHEN i < $1::integer / 5 THEN 'legacy' END,
             CASE WHEN i % 1000 = 500 THEN 'rare' || i / 1000 END),
           'tag', jsonb_build_object('build', 'b' || i, 'runtime', 'r' || i % 3)))
         FROM ${drawn}`,
      size,
    ],
    [
      `INSERT INTO registry_entry (id, model, number, attribute, key, value, valid_from, recorded_at, recorded_by, reason)
       SELECT nextval('registry_entry_id'), model, number, attribute, key, value, at, at, 'ada', 'generated' FROM drawn,
         LATERAL (SELECT attribute, '' AS key, value FROM jsonb_each(state) AS flat (attribute, value)
             WHERE attribute NOT IN ('tag', 'alias')
           UNION ALL SELECT 'tag', pair.* FROM jsonb_each(state -> 'tag') AS pair
           UNION ALL SELECT 'alias', pair.* FROM jsonb_each(state -> 'alias') AS pair) AS entry`,
    ],
    [
      `INSERT INTO model_state (model, state, facets, words)
       SELECT model, state, document.* FROM drawn, model_document(model, state) AS document WHERE number IS NULL`,
    ],
    [
      `INSERT INTO version_state (model, number, place, slice, created_at, state, facets, words)
       SELECT drawn.model, drawn.number, place, place / 8192, at, drawn.state, document.facets, document.words
       FROM (SELECT *, nextval('version_place') AS place
           FROM (SELECT * FROM drawn WHERE number IS NOT NULL ORDER BY at, number) AS ordered) AS drawn
         JOIN model_version AS version USING (model, number) JOIN model_state AS owner USING (model),
         version_document(version, place, drawn.state, owner.state, owner.words) AS document`,
    ],
    [`DROP TABLE drawn`],
  ];
}
