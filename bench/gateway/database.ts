import { migrate } from "../../db/migrate.ts";
import { openPorts } from "../../local/ports.ts";
import { startPostgres } from "../../local/postgres.ts";
import { startReaper } from "../../local/reaper.ts";

export interface BenchDatabase {
  /** As the application. */
  readonly url: string;
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

/** A Postgres of its own, migrated, as `up` starts one: the gateway ships its log there while it is measured. */
export async function startBenchDatabase(dataDir: string): Promise<BenchDatabase> {
  const reaper = startReaper();
  const postgres = await startPostgres({ dataDir, env: {}, reaper, ports: await openPorts(dataDir) });
  const { applicationUrl } = await migrate({ adminUrl: postgres.adminUrl, applicationPassword: "benchmark" });
  return {
    url: applicationUrl,
    pid: postgres.pid ?? 0,
    stop: async () => {
      await postgres.stop();
      await reaper.close();
    },
  };
}
