import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { MockActivityEnvironment } from "@temporalio/testing";
import { DefaultLogger, Runtime } from "@temporalio/worker";

import { createActivities, type Activities } from "../../../activities/index.ts";
import type { Dependencies } from "../../../activities/dependencies.ts";
import { createKnownGateways } from "../../../adapters/gateways/known-gateways.ts";
import { createFileStore } from "../../../adapters/artifacts/file-store.ts";
import { confirmRoute, recordGatewaySeen } from "../../../db/queries/gateway.ts";
import { loadRouting } from "../../../db/queries/routing.ts";
import { createTinyProject, type TinyProject } from "../../fixtures/lifecycle/tiny-project.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";

export interface ActivityStage {
  readonly test: TestDatabase;
  readonly project: TinyProject;
  readonly directory: string;
  readonly dependencies: Dependencies;
  /** Schedules as the monitors asked for them. */
  readonly schedules: ReadonlyMap<string, string>;
  /** Runs an activity as a worker would. */
  readonly run: <Name extends keyof Activities>(
    name: Name,
    input: Parameters<Activities[Name]>[0],
    environment?: MockActivityEnvironment,
  ) => ReturnType<Activities[Name]>;
  /** Rows of every table. */
  readonly countRows: () => Promise<Readonly<Record<string, number>>>;
  /** A gateway that applies whatever it is told, for the length of some work. */
  readonly withGateway: <Result>(endpoint: string, work: () => Promise<Result>) => Promise<Result>;
  readonly close: () => Promise<void>;
}

/** The real activities on a real database, without Temporal around them. */
export async function openActivityStage(): Promise<ActivityStage> {
  // Failing activities are what these tests are about; their warnings would drown a real message.
  Runtime.install({ logger: new DefaultLogger("ERROR"), shutdownSignals: [] });
  const test = await createTestDatabase();
  const directory = await mkdtemp(join(tmpdir(), "modelwright-activities-"));
  const schedules = new Map<string, string>();
  const dependencies: Dependencies = {
    database: test.database,
    artifacts: createFileStore(join(directory, "artifacts")),
    schedules: {
      ensure: async ({ monitorId, cron }) => void schedules.set(monitorId, cron),
      remove: async (monitorId) => void schedules.delete(monitorId),
      ensureCheckpoints: async () => undefined,
      ensureLogRetention: async () => undefined,
    },
    gateways: createKnownGateways(null),
    checkpoints: { keyPath: join(directory, "audit.key"), path: join(directory, "checkpoints.txt") },
    codeDigest: "c0de".repeat(16),
    workDirectory: join(directory, "work"),
  };
  const activities = createActivities(dependencies);
  return {
    test,
    directory,
    dependencies,
    schedules,
    project: await createTinyProject(join(directory, "project")),
    run: (name, input, environment = new MockActivityEnvironment()) =>
      environment.run(activities[name] as (input: unknown) => Promise<unknown>, input) as never,
    countRows: async () => {
      const { rows: tables } = await test.admin.query<{ name: string }>(
        "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'prediction_%' ORDER BY 1",
      );
      const counts: Record<string, number> = {};
      for (const { name } of tables) {
        const { rows } = await test.admin.query<{ count: string }>(`SELECT count(*) FROM "${name}"`);
        counts[name] = Number(rows[0]?.count);
      }
      return counts;
    },
    withGateway: async (endpoint, work) => {
      const beat = async () => {
        await recordGatewaySeen(test.database, "test-gateway");
        const [routing] = await loadRouting(test.database, { endpoint });
        if (routing) await confirmRoute(test.database, { gateway: "test-gateway", endpoint, epoch: routing.epoch });
      };
      const over = new AbortController();
      const beating = (async () => {
        for (; !over.signal.aborted; await new Promise((resolve) => setTimeout(resolve, 50))) await beat();
      })();
      try {
        return await work();
      } finally {
        over.abort();
        await beating;
      }
    },
    close: async () => {
      await test.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
