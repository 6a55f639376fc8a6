import { escapeIdentifier, type Client } from "pg";

/** Things to ask about in generated lineage. */
export interface GeneratedLineage {
  readonly versionCount: number;
  readonly edgeCount: number;
  /** Stands on 5,000 things, in a chain of warm starts. */
  readonly deep: string;
  /** Two things came of it for every version trained on it: 50,000 of a million versions. */
  readonly wide: string;
  readonly wideVersionCount: number;
  /** Predictions with their whole chain. */
  readonly inferenceIds: readonly string[];
}

/** A link of the chain is a source, a snapshot, bytes and a version, of which the last two lead on. */
const LINKS = 1667;
const DATASETS = 1000;
/** Trained on the one dataset that so much came of. */
const WIDE_VERSIONS = 25_000;
const PREDICTIONS_PER_ENDPOINT = 200;

/**
 * Gives every registered version what a lifecycle records of it: a training on one of a thousand snapshots with the trainer's code, and
 * its registration, 5 edges a version; beside them one long chain and the predictions of one endpoint a model. Set by set, as the
 * owner and past the triggers, in the shape `record_execution` would have left.
 */
export async function generateLineage(admin: Client): Promise<GeneratedLineage> {
  await admin.query("SET session_replication_role = replica");
  const indexes = await takeIndexes(admin);
  for (const statement of [...GRAPH, ...CHAIN, ...SERVING]) await admin.query(statement);
  for (const definition of indexes) await admin.query(definition);
  await admin.query("SELECT setval(pg_get_serial_sequence('lineage_node', 'id'), (SELECT max(id) FROM lineage_node))");
  await admin.query("RESET session_replication_role");
  await admin.query("VACUUM (ANALYZE) lineage_node, execution, used, generated, prediction, routing_epoch, evaluation");
  return await describe(admin);
}

/** Indexes that are no constraints, taken away: built at the end in one go they take a fifth of the time. */
async function takeIndexes(admin: Client): Promise<string[]> {
  const { rows } = await admin.query<{ name: string; definition: string }>(
    `SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index
     WHERE indrelid = ANY ('{execution, used, generated}'::regclass[])
       AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)`,
  );
  for (const { name } of rows) await admin.query(`DROP INDEX ${escapeIdentifier(name)}`);
  return rows.map(({ definition }) => definition);
}

const digest = (text: string) => `encode(sha256(convert_to(${text}, 'UTF8')), 'hex')`;
const DONE = `'bench', 'bench', '1', 1, repeat('c0', 32), repeat('5e', 32)`;
const COLUMNS = `id, kind, workflow_id, run_id, activity_id, attempt, code_digest, parameters_digest, started_at, sealed_at,
  used_count, generated_count, upstream`;

// Numbers: data set d is node d and was cut by execution d from node DATASETS + d. Version i has nodes BASE + 2i and BASE + 2i + 1 for its
// bytes and itself, and executions DATASETS + 2i + 1 and DATASETS + 2i + 2 that trained and registered it.
const TRAINER = 2 * DATASETS + 1;
const BASE = TRAINER + 1;
const dataOf = `CASE WHEN spread THEN 2 + (i % ${DATASETS - 1}) ELSE 1 END`;
const AT = "timestamptz '2025-01-01Z'";

const GRAPH = [
  `CREATE TEMPORARY TABLE drawn AS
   SELECT i, 'model/' || model || '@' || number AS version, artifact, created_at AS at,
     i % greatest(1, count / ${WIDE_VERSIONS}) <> 0 OR i / greatest(1, count / ${WIDE_VERSIONS}) >= ${WIDE_VERSIONS} AS spread
   FROM (SELECT row_number() OVER (ORDER BY created_at, id) - 1 AS i, count(*) OVER () AS count, model, number, artifact, created_at
     FROM model_version) AS ordered`,
  `INSERT INTO lineage_node (id, ref) OVERRIDING SYSTEM VALUE
   SELECT d, 'artifact/' || ${digest("'dataset ' || d")} FROM generate_series(1, ${DATASETS}) AS d
   UNION ALL SELECT ${DATASETS} + d, 'source/warehouse/day-' || d || '.parquet#' || ${digest("'source ' || d")}
     FROM generate_series(1, ${DATASETS}) AS d
   UNION ALL SELECT ${TRAINER}, 'source/trainer/train.py#' || ${digest("'trainer'")}`,
  `INSERT INTO lineage_node (id, ref) OVERRIDING SYSTEM VALUE
   SELECT ${BASE} + 2 * i + part, CASE part WHEN 0 THEN 'artifact/' || artifact ELSE version END
   FROM drawn, generate_series(0, 1) AS part ORDER BY 1`,
  `INSERT INTO execution (${COLUMNS})
   SELECT d, 'snapshot', ${DONE}, ${AT}, ${AT}, 1, 1, '{}'::bigint[] FROM generate_series(1, ${DATASETS}) AS d`,
  `INSERT INTO execution (${COLUMNS})
   SELECT ${DATASETS} + 2 * i + part, CASE part WHEN 1 THEN 'train' ELSE 'register' END, ${DONE}, at, at, 3 - part, 1,
     CASE part WHEN 1 THEN ARRAY[${dataOf}]::bigint[] ELSE ARRAY[${dataOf}, ${DATASETS} + 2 * i + 1]::bigint[] END
   FROM drawn, generate_series(1, 2) AS part ORDER BY 1`,
  `INSERT INTO used (execution, node, role, made_by)
   SELECT d, ${DATASETS} + d, 'source', NULL::bigint FROM generate_series(1, ${DATASETS}) AS d`,
  `INSERT INTO used (execution, node, role, made_by)
   SELECT ${DATASETS} + 2 * i + part, node, role, made_by FROM drawn, LATERAL (VALUES
     (1, ${dataOf}, 'training-data', ${dataOf}), (1, ${TRAINER}, 'trainer', NULL),
     (2, ${BASE} + 2 * i, 'bytes', ${DATASETS} + 2 * i + 1)) AS edge (part, node, role, made_by) ORDER BY 1, 2`,
  `INSERT INTO generated (execution, node, role)
   SELECT d, d, 'training-data' FROM generate_series(1, ${DATASETS}) AS d`,
  `INSERT INTO generated (execution, node, role)
   SELECT ${DATASETS} + 2 * i + part, ${BASE} + 2 * i + part - 1, CASE part WHEN 1 THEN 'bytes' ELSE 'version' END
   FROM drawn, generate_series(1, 2) AS part ORDER BY 1`,
  `DROP TABLE drawn`,
];

/** Each link is trained on data of its own and warm-started from the bytes of the link before. */
const CHAIN = [
  `CREATE TEMPORARY TABLE link AS
   SELECT k, node + 4 * k AS node, done + 3 * k AS done FROM generate_series(0, ${LINKS - 1}) AS k,
     (SELECT max(id) + 1 AS node FROM lineage_node) AS nodes, (SELECT max(id) + 1 AS done FROM execution) AS executions`,
  `INSERT INTO lineage_node (id, ref) OVERRIDING SYSTEM VALUE
   SELECT node + part, CASE part WHEN 0 THEN 'source/chain/' || k || '.parquet#' || ${digest("'chain source ' || k")}
     WHEN 1 THEN 'artifact/' || ${digest("'chain data ' || k")} WHEN 2 THEN 'artifact/' || ${digest("'chain bytes ' || k")}
     ELSE 'model/bench-chain@' || k + 1 END FROM link, generate_series(0, 3) AS part`,
  `INSERT INTO execution (${COLUMNS})
   SELECT done + part, (ARRAY['snapshot', 'train', 'register'])[part + 1], ${DONE}, ${AT}, ${AT},
     CASE WHEN part = 1 AND k > 0 THEN 2 ELSE 1 END, 1, CASE part WHEN 0 THEN '{}' ELSE chain[:2 * k + part] END
   FROM link, generate_series(0, 2) AS part,
     (SELECT array_agg(done + step ORDER BY done, step) AS chain FROM link, generate_series(0, 1) AS step) AS whole`,
  `INSERT INTO used (execution, node, role, made_by)
   SELECT done, node, 'source', NULL FROM link UNION ALL SELECT done + 1, node + 1, 'training-data', done FROM link
   UNION ALL SELECT done + 1, node - 2, 'parent', done - 2 FROM link WHERE k > 0
   UNION ALL SELECT done + 2, node + 2, 'bytes', done + 1 FROM link`,
  `INSERT INTO generated (execution, node, role)
   SELECT done + part, node + part + 1, (ARRAY['training-data', 'bytes', 'version'])[part + 1]
   FROM link, generate_series(0, 2) AS part`,
  `DROP TABLE link`,
];

/** One endpoint a model, whose newest version serves with a passing evaluation, made by a lifecycle, and its predictions of today. */
const SERVING = [
  `CREATE TEMPORARY TABLE serving AS
   SELECT DISTINCT ON (model) model, id, artifact, 'bench-' || model AS endpoint,
     ('10000000-0000-7000-8000-' || right(id::text, 12))::uuid AS evaluation
   FROM model_version ORDER BY model, number DESC`,
  `INSERT INTO lifecycle (id, model, spec, spec_digest, started_by, status, finished_at)
   SELECT endpoint, model, '{}', repeat('0', 64), 'ada', 'completed', now() FROM serving`,
  `UPDATE model_version SET lifecycle = endpoint, round = 1, name = 'trained' FROM serving WHERE serving.id = model_version.id`,
  `INSERT INTO endpoint (name, environment, model, current_epoch) SELECT endpoint, 'production', model, 1 FROM serving`,
  `INSERT INTO routing_epoch (endpoint, epoch, model, champion_version, champion_share, canary_share, salt, reason, created_by)
   SELECT endpoint, 1, model, id, 10000, 0, 's', 'first', 'ada' FROM serving`,
  `INSERT INTO evaluation (id, model_version, model_digest, data_digest, verdict, settings, row_count)
   SELECT evaluation, id, artifact, ${digest("'dataset 2'")}, 'pass', '{"gates": [{"metric": "roc-auc", "atLeast": 0.6}]}', 1000
   FROM serving`,
  `INSERT INTO gate_verdict (evaluation, position, gate, verdict, reason, slice, observed)
   SELECT evaluation, gate, '{"metric": "roc-auc", "atLeast": 0.6}', 'pass', 'roc-auc is 0.7', 'overall',
     '{"kind": "undefined", "reason": "bench", "sampleCount": 0}' FROM serving, generate_series(0, 3) AS gate`,
  `INSERT INTO promotion (endpoint, epoch, version, model_digest, evaluation)
   SELECT endpoint, 1, id, artifact, evaluation FROM serving`,
  `INSERT INTO artifact (digest, kind, size_bytes, media_type)
   SELECT ${digest("'dataset ' || d")}, 'dataset', 1000000, 'application/vnd.apache.parquet'
   FROM generate_series(1, ${DATASETS}) AS d`,
  `INSERT INTO dataset_snapshot (digest, description, source_path, source_digest, select_expressions, time_window)
   SELECT ${digest("'dataset ' || d")}, '{"rowCount": 1000}', 'warehouse/day-' || d || '.parquet', ${digest("'source ' || d")}, '{}',
     '{"from": "2025-01-01", "to": "2025-02-01"}' FROM generate_series(1, ${DATASETS}) AS d`,
  // Their ids are of version 7, whose first 48 bits are the milliseconds that tell the partition to look in.
  `INSERT INTO prediction (inference_id, endpoint, epoch, arm, model_version, at, latency_ms, outcome, score, decision)
   SELECT format('%s-%s-7%s-8%s-%s', left(ms, 8), right(ms, 4), lpad(to_hex(n % 4096), 3, '0'), lpad(to_hex(place / 65536), 3, '0'),
       lpad(to_hex(place % 65536), 12, '0')), endpoint, 1, 'champion', id, at, 1.5, 'ok', 0.7, 1
   FROM (SELECT *, row_number() OVER (ORDER BY endpoint) AS place FROM serving) AS placed,
     generate_series(1, ${PREDICTIONS_PER_ENDPOINT}) AS n, LATERAL (SELECT now() - n * interval '1 millisecond' AS at) AS moment,
     LATERAL (SELECT lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') AS ms) AS named`,
  `DROP TABLE serving`,
];

async function describe(admin: Client): Promise<GeneratedLineage> {
  const { rows } = await admin.query<{ versions: string; edges: string; wide: string; trained: string; ids: string[] }>(
    `SELECT (SELECT count(*) FROM model_version) AS versions,
       (SELECT count(*) FROM used) + (SELECT count(*) FROM generated) AS edges,
       (SELECT ref FROM lineage_node WHERE id = 1) AS wide, (SELECT count(*) FROM used WHERE node = 1) AS trained,
       (SELECT array_agg(inference_id) FROM (SELECT inference_id FROM prediction ORDER BY sha256(convert_to(inference_id, 'UTF8'))
         LIMIT 500) AS drawn) AS ids`,
  );
  const [found] = rows;
  return {
    versionCount: Number(found?.versions),
    edgeCount: Number(found?.edges),
    deep: `model/bench-chain@${LINKS}`,
    wide: found?.wide ?? "",
    wideVersionCount: Number(found?.trained),
    inferenceIds: found?.ids ?? [],
  };
}
