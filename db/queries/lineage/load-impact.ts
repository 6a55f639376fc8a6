import { sql } from "drizzle-orm";

import type { LineageImpact } from "../../../contracts/lineage.ts";
import type { Database } from "../../client.ts";
import { readSnapshot, sayWhole } from "./read-snapshot.ts";

/** Newest versions and epochs named in an answer; their counts are always of all. */
const NAMED = 1000;

/**
 * What a thing had part in that people saw: versions, the routing epochs that gave them traffic, and how many predictions they
 * answered. Null when it is not in the graph. Counts are whole at any size.
 */
export async function loadImpact(db: Database, { ref }: { readonly ref: string }): Promise<LineageImpact | null> {
  return await readSnapshot(db, async (tx, snapshot) => {
    const { rows } = await tx.execute<{
      known: boolean;
      nodes: string;
      edges: string;
      versionCount: string;
      versions: string[];
      epochCount: string;
      epochs: (Omit<LineageImpact["epochs"][number], "at"> & { readonly at: string })[];
      predictionCount: string;
    }>(sql`
      WITH reached AS MATERIALIZED (SELECT downstream_executions(${ref}) AS id),
      made AS MATERIALIZED (SELECT generated.node, reached.id FROM reached JOIN generated ON generated.execution = reached.id),
      version AS MATERIALIZED (
        SELECT ref, substr(split_part(ref, '@', 1), 7) AS model,
          CASE WHEN ref ~ '@[0-9]{1,9}$' THEN split_part(ref, '@', 2)::integer END AS number
        FROM lineage_node WHERE ref LIKE 'model/%' AND (id IN (SELECT node FROM made) OR ref = ${ref})
      ), served AS MATERIALIZED (
        SELECT version.ref, epoch.endpoint, epoch.epoch, epoch.created_at, arm, row.id AS version_id
        FROM version JOIN model_version AS row USING (model, number)
          JOIN routing_epoch AS epoch ON epoch.model = row.model
          CROSS JOIN LATERAL (VALUES ('champion', epoch.champion_version, epoch.champion_share),
            ('canary', epoch.canary_version, epoch.canary_share)) AS side (arm, arm_version, share)
        WHERE side.arm_version = row.id AND side.share > 0
      ), counted AS MATERIALIZED (
        SELECT served.*, (SELECT count(*) FROM prediction WHERE prediction.endpoint = served.endpoint
          AND prediction.epoch = served.epoch AND prediction.model_version = served.version_id) AS predictions FROM served
      )
      SELECT EXISTS (SELECT FROM lineage_node WHERE ref = ${ref}) AS known,
        (SELECT count(DISTINCT node) FROM made) AS nodes, (SELECT count(*) FROM made) AS edges,
        (SELECT count(*) FROM version) AS "versionCount",
        (SELECT coalesce(jsonb_agg(ref), '[]') FROM (SELECT ref FROM version ORDER BY number DESC, model LIMIT ${NAMED}) AS newest)
          AS versions,
        (SELECT count(*) FROM counted) AS "epochCount",
        (SELECT coalesce(jsonb_agg(jsonb_build_object('endpoint', endpoint, 'epoch', epoch, 'version', ref, 'arm', arm,
            'at', created_at, 'predictionCount', predictions)), '[]')
          FROM (SELECT * FROM counted ORDER BY created_at DESC, endpoint, arm LIMIT ${NAMED}) AS newest) AS epochs,
        (SELECT coalesce(sum(predictions), 0) FROM counted) AS "predictionCount"`);
    const [found] = rows;
    if (!found?.known) return null;
    return {
      ref,
      versionCount: Number(found.versionCount),
      versions: found.versions,
      epochCount: Number(found.epochCount),
      epochs: found.epochs.map((epoch) => ({ ...epoch, at: new Date(epoch.at) })),
      predictionCount: Number(found.predictionCount),
      ...sayWhole(snapshot, { cut: false, nodeCount: Number(found.nodes) + 1, edgeCount: Number(found.edges) }),
    };
  });
}
