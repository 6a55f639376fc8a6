import { performance } from "node:perf_hooks";

import { checkLog } from "../../adapters/checkpoints/audit-log.ts";
import { sha256 } from "../../adapters/checkpoints/sha256.ts";
import { AUDIT_STREAM } from "../../contracts/audit.ts";
import { computeOverTiles } from "../../core/audit/tiles.ts";
import { openDatabase } from "../../db/client.ts";
import { recordAudit } from "../../db/queries/audit.ts";
import { createAuditLog } from "../../db/queries/audit-log.ts";
import { AIM, print, timeWork } from "./timing.ts";

/** Appending, proving and verifying, on a log of so many events. */
export async function measureAudit(applicationUrl: string, events: number): Promise<void> {
  for (const writers of [1, 16]) {
    const database = openDatabase({ url: applicationUrl, maximumConnections: writers });
    const { perSecond } = await timeWork(writers, () =>
      database.transaction((tx) =>
        recordAudit(tx, {
          actor: "ada",
          subject: "lifecycle/bench",
          body: { kind: "lifecycle-status", status: "running", outcome: null, failureCode: null },
        }),
      ),
    );
    await database.close();
    const who = `${writers} writer${writers === 1 ? "" : "s"}, a commit each`;
    print({ measure: `audit append, ${who}`, value: perSecond, unit: "events/s", peer: AIM, peerValue: 300 });
  }

  const database = openDatabase({ url: applicationUrl });
  const log = createAuditLog(database);
  await log.keepNodes(AUDIT_STREAM);
  const size = (await log.heads()).find(({ stream }) => stream === AUDIT_STREAM)?.size ?? 0;
  const tiles = {
    hash: sha256,
    size,
    load: (wanted: Parameters<typeof log.tiles>[1]) => log.tiles(AUDIT_STREAM, wanted),
  };
  const proving = await timeWork(1, (call) =>
    // A prime far from any power of two, so that proofs are of all ages and no two in a row of one tile.
    computeOverTiles(tiles, (tree) => tree.inclusionProof((call * 611_953) % size)),
  );
  const among = `in a log of ${size.toLocaleString("en")} events`;
  print({ measure: `inclusion proof p95, ${among}`, value: proving.p95, unit: "ms", peer: AIM, peerValue: 10 });

  const began = performance.now();
  const report = await checkLog(log);
  const seconds = (performance.now() - began) / 1000;
  if (report.problem || report.events < events) throw new Error(`the log is not whole: ${report.problem?.found}`);
  const aim = (60 * report.events) / 1_000_000;
  const measure = `verify every hash, ${among}`;
  print({ measure, value: seconds, unit: "s", peer: AIM, peerValue: aim });
  await database.close();
}
