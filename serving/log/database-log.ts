import type { LogBatch } from "../../contracts/inference.ts";
import type { Database } from "../../db/client.ts";
import { shipGatewayLog } from "../../db/queries/gateway-log.ts";
import { ensurePredictionPartitions } from "../../db/queries/prediction.ts";

const AHEAD_DAYS = 3;
const PARTITIONS_EVERY_MS = 6 * 3600 * 1000;

/** Takes a stretch of a gateway's journal once; returns the place behind which it wants the next one. */
export type ShipLog = (batch: LogBatch) => Promise<number>;

/** Counts and the prediction log in Postgres. `shipper`: who brings them, where a journal does not say whose it is. */
export function createDatabaseLog(database: Database, shipper: string): ShipLog {
  let partitionsMadeAt = Number.NEGATIVE_INFINITY;
  return async (batch) => {
    if (Date.now() - partitionsMadeAt > PARTITIONS_EVERY_MS) {
      await database.transaction((tx) => ensurePredictionPartitions(tx, { aheadDays: AHEAD_DAYS }));
      partitionsMadeAt = Date.now();
    }
    return await shipGatewayLog(database, { ...batch, gateway: batch.gateway ?? shipper });
  };
}
