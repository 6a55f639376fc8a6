import { sql, type SQL } from "drizzle-orm";

import type { Completeness, VersionFacts } from "../../../contracts/lineage.ts";
import type { Database, Queryable } from "../../client.ts";
import { readSnapshot, sayWhole } from "./read-snapshot.ts";

interface VersionName {
  readonly model: string;
  readonly number: number;
}

/** What is on record about two versions, read in one snapshot; null when one of them is not. */
export async function loadVersionFacts(
  db: Database,
  [left, right]: readonly [VersionName, VersionName],
): Promise<(Completeness & { readonly facts: readonly [VersionFacts, VersionFacts] }) | null> {
  return await readSnapshot(db, async (tx, snapshot) => {
    const facts = [await loadFacts(tx, left), await loadFacts(tx, right)] as const;
    if (!facts[0] || !facts[1]) return null;
    const edgeCount = facts[0].edgeCount + facts[1].edgeCount;
    const whole = sayWhole(snapshot, { cut: false, nodeCount: 2, edgeCount });
    return { facts: [facts[0].facts, facts[1].facts], ...whole };
  });
}

const list = (fields: SQL, from: SQL, order: SQL): SQL =>
  sql`(SELECT coalesce(jsonb_agg(jsonb_build_object(${fields}) ORDER BY ${order}), '[]') ${from})`;

async function loadFacts(
  tx: Queryable,
  { model, number }: VersionName,
): Promise<{ facts: VersionFacts; edgeCount: number } | null> {
  const ref = `model/${model}@${number}`;
  const { rows } = await tx.execute(sql`
    WITH making AS MATERIALIZED (SELECT execution.* FROM making_executions(${ref}) AS found (id) JOIN execution USING (id)),
    -- What made the bytes, and the cuts of the data that went into them.
    input AS MATERIALIZED (SELECT DISTINCT used.role, used.made_by, lineage_node.ref
      FROM making JOIN used ON used.execution = making.id JOIN lineage_node ON lineage_node.id = used.node),
    cut AS MATERIALIZED (SELECT DISTINCT used.role, lineage_node.ref
      FROM input JOIN used ON used.execution = input.made_by AND input.role IN ('training-data', 'calibration-data', 'evaluation-data')
        JOIN lineage_node ON lineage_node.id = used.node WHERE used.role = 'source'
      UNION SELECT role, ref FROM input WHERE role = 'trainer'),
    judged AS MATERIALIZED (SELECT evaluation.* FROM evaluation JOIN model_version AS judged_version
      ON judged_version.id = evaluation.model_version WHERE judged_version.model = ${model} AND judged_version.number = ${number}
      ORDER BY evaluation.created_at DESC, evaluation.id LIMIT 1)
    SELECT version.model || '@' || version.number AS name, version.artifact, version.origin,
      parent.model || '@' || parent.number AS parent,
      ${list(sql`'kind', kind, 'codeDigest', code_digest, 'parametersDigest', parameters_digest`, sql`FROM making`, sql`id`)} AS making,
      ${list(
        sql`'role', role, 'digest', substr(ref, 10), 'rowCount', description -> 'rowCount'`,
        sql`FROM (SELECT DISTINCT role, ref FROM input WHERE role LIKE '%-data') AS data
          LEFT JOIN dataset_snapshot ON digest = substr(ref, 10)`,
        sql`role DESC, ref`,
      )} AS data,
      ${list(
        sql`'role', role, 'path', regexp_replace(substr(ref, 8), '#[0-9a-f]{64}$', ''), 'digest', right(ref, 64)`,
        sql`FROM cut`,
        sql`role, ref`,
      )} AS sources,
      lifecycle.spec,
      (SELECT jsonb_build_object('id', id, 'verdict', verdict, 'dataDigest', data_digest,
        'gates', ${list(
          sql`'gate', gate, 'verdict', verdict, 'reason', reason`,
          sql`FROM gate_verdict WHERE evaluation = judged.id`,
          sql`position`,
        )},
        'metrics', ${list(
          sql`'metric', metric, 'estimate', estimate, 'low', low, 'high', high, 'undefinedReason', undefined_reason`,
          sql`FROM metric_value WHERE evaluation = judged.id AND slice_column = ''`,
          sql`metric`,
        )}) FROM judged) AS evaluation,
      ${list(
        sql`'decision', decision, 'by', decided_by, 'at', decided_at`,
        sql`FROM approval WHERE approval.model_version = version.id
          OR approval.model_version IS NULL AND approval.lifecycle = version.lifecycle AND approval.round >= version.round`,
        sql`decided_at`,
      )} AS approvals,
      (SELECT sum(used_count + generated_count) FROM making) AS edges
    FROM model_version AS version LEFT JOIN model_version AS parent ON parent.id = version.parent_version
      LEFT JOIN lifecycle ON lifecycle.id = version.lifecycle
    WHERE version.model = ${model} AND version.number = ${number}`);
  const [found] = rows;
  if (!found) return null;
  const { edges, ...facts } = found as unknown as VersionFacts & { readonly edges: string | null };
  return { facts, edgeCount: Number(edges ?? 0) };
}
