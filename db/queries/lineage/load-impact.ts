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
      WITH made AS MATERIALIZED (
        SELECT node, role FROM generated WHERE execution = ANY(ARRAY(SELECT downstream_executions(${ref})))
      ), version AS MATERIALIZED (
        SELECT node FROM made WHERE role = 'version' UNION SELECT id FROM lineage_node WHERE ref = ${ref} AND ref LIKE 'model/%'
      ), served AS MATERIALIZED (
        SELECT thing.ref, epoch.endpoint, epoch.epoch, epoch.created_at, arm, row.id AS version_id
        FROM routing_epoch AS epoch
          CROSS JOIN LATERAL (VALUES ('champion', epoch.champion_version, epoch.champion_share),
            ('canary', epoch.canary_version, epoch.canary_share)) AS side (arm, arm_version, share)
          JOIN model_version AS row ON row.id = side.arm_version
          JOIN lineage_node AS thing ON thing.ref = 'model/' || row.model || '@' || row.number
        -- What served is named and looked for among the versions, and not the other way: far fewer ever serve. IS TRUE keeps it a
        -- look-up in a hash: as a join Postgres, which cannot know how many there are, compares each with each.
        WHERE side.share > 0 AND (thing.id IN (SELECT node FROM version)) IS TRUE
      ), counted AS MATERIALIZED (
        SELECT served.*, (SELECT count(*) FROM prediction WHERE prediction.endpoint = served.endpoint
          AND prediction.epoch = served.epoch AND prediction.model_version = served.version_id) AS predictions FROM served
      )
      SELECT EXISTS (SELECT FROM lineage_node WHERE ref = ${ref}) AS known,
        (SELECT count(DISTINCT node) FROM made) AS nodes, (SELECT count(*) FROM made) AS edges,
        (SELECT count(*) FROM version) AS "versionCount",
        (SELECT coalesce(jsonb_agg(ref ORDER BY id DESC), '[]') FROM lineage_node
          WHERE id = ANY(ARRAY(SELECT node FROM version ORDER BY node DESC LIMIT ${NAMED}))) AS versions,
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
