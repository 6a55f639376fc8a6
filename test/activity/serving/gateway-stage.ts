import { fork, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createFileStore } from "../../../adapters/artifacts/file-store.ts";
import { inspectModel } from "../../../core/onnx/inspect.ts";
import { advanceEpoch } from "../../../db/queries/advance-epoch.ts";
import { registerArtifact } from "../../../db/queries/artifact.ts";
import { ensureEndpoint } from "../../../db/queries/endpoint.ts";
import { ensureModel } from "../../../db/queries/model.ts";
import { insertVersion } from "../../database/sample.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { tensors } from "../../unit/serving/running-gateway.ts";
import { modelBytes, SIGNATURE } from "../../unit/serving/served-model.ts";

/** A share so large that the key asked with is among the canary's. */
const NEARLY_ALL = 9_999;

export interface GatewayProcess {
  readonly child: ChildProcess;
  readonly url: string;
  readonly grpc: string;
}

/** Processes of the gateway on one data directory, one endpoint `delay`, and a database of their own. */
export interface GatewayStage {
  readonly test: TestDatabase;
  readonly startGateway: (databaseUrl?: string) => Promise<GatewayProcess>;
  /** A version of the model, which adds that much. */
  readonly addVersion: (bias: number) => Promise<string>;
  /** Makes the next epoch of the endpoint. With a canary, that one gets nearly everything, for as long as the lease. */
  readonly advance: (from: number, champion: string, canary: string | null, leaseMs?: number) => Promise<unknown>;
  readonly close: () => Promise<void>;
}

export async function openGatewayStage(): Promise<GatewayStage> {
  const test = await createTestDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), "modelwright-gateway-"));
  const processes: ChildProcess[] = [];
  await audited(test.database).transaction(async (tx) => {
    await ensureModel(tx, "delay");
    await ensureEndpoint(tx, { name: "delay", environment: "staging", model: "delay" });
  });
  return {
    test,
    startGateway: async (databaseUrl = test.applicationUrl) => {
      const child = fork("serving/main.ts", [], {
        execArgv: ["--import", "tsx"],
        env: {
          ...process.env,
          DATABASE_URL: databaseUrl,
          MODELWRIGHT_DATA_DIR: dataDir,
          GATEWAY_PORT: "0",
          GRPC_PORT: "0",
        },
        stdio: ["ignore", "pipe", "inherit", "ipc"],
      });
      processes.push(child);
      for await (const line of createInterface({ input: child.stdout! })) {
        const ready = JSON.parse(line) as { ready: boolean; http: string; grpc: string };
        if (ready.ready) return { child, url: ready.http, grpc: ready.grpc };
      }
      throw new Error("the gateway ended before it was ready");
    },
    addVersion: async (bias) => {
      const bytes = modelBytes(bias);
      const { digest, sizeBytes } = await createFileStore(join(dataDir, "artifacts")).put(bytes);
      const facts = inspectModel(bytes, "test");
      return await audited(test.database).transaction(async (tx) => {
        await registerArtifact(tx, { digest, kind: "model", sizeBytes, mediaType: "application/onnx" });
        const version = await insertVersion(tx, {
          model: "delay",
          artifact: digest,
          signature: SIGNATURE,
          origin: "registered",
          parentVersion: null,
          facts,
          createdBy: "test",
          key: null,
        });
        return version.id;
      });
    },
    advance: async (expectedEpoch, championVersion, canaryVersion, leaseMs = 60_000) =>
      await audited(test.database).transaction((tx) =>
        advanceEpoch(tx, {
          endpoint: "delay",
          expectedEpoch,
          championVersion,
          canaryVersion,
          canaryShare: canaryVersion === null ? 0 : NEARLY_ALL,
          salt: "salt",
          rollout: null,
          reason: "test",
          createdBy: "test",
          leaseMs,
        }),
      ),
    close: async () => {
      for (const child of processes) if (child.exitCode === null) child.kill("SIGKILL");
      await test.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly epoch: string | null;
  readonly json: { readonly id: string; readonly model_version: string };
}

/** Asks one row, of one key. */
export async function infer(url: string): Promise<Answer> {
  const response = await fetch(`${url}/v2/models/delay/infer`, {
    method: "POST",
    headers: { "modelwright-routing-key": "anyone" },
    body: JSON.stringify(tensors([0, 0, 0])),
  });
  return {
    status: response.status,
    epoch: response.headers.get("modelwright-epoch"),
    json: (await response.json()) as Answer["json"],
  };
}
