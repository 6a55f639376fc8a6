import "../serving/heap-growth.ts";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { EndpointRoute, ServedVersion } from "../contracts/inference.ts";
import { residentBytes } from "../adapters/inference/resident-bytes.ts";
import { shipInThread } from "../serving/log/shipping-thread.ts";
import { startGateway } from "../serving/gateway.ts";

/** What the gateway's process is told: serve these, or say what memory it takes. */
export type ToBenchGateway =
  | { readonly kind: "routes"; readonly routes: readonly BenchRoute[] }
  | { readonly kind: "memory" };

interface BenchRoute {
  readonly endpoint: string;
  readonly epoch: number;
  readonly path: string;
  readonly version: Omit<ServedVersion, "versionId">;
  /** Of requests whose rows are logged. */
  readonly sampleShare: number;
}

/** The gateway under load, in a process of its own. */
const [directory = "", databaseUrl = ""] = process.argv.slice(2);
const graceMs = 2_000;
let routes: readonly EndpointRoute[] = [];
let changed = (): void => undefined;
const paths = new Map<string, string>();

const gateway = await startGateway({
  findToken: () => Promise.resolve(null),
  source: {
    load: () => Promise.resolve({ databaseNowMs: Date.now(), routes }),
    confirm: (endpoint, epoch) => {
      process.send?.({ kind: "confirmed", endpoint, epoch });
      return Promise.resolve();
    },
    report: () => Promise.resolve(),
    watch: (onChange) => {
      changed = onChange;
      return () => Promise.resolve();
    },
  },
  localPath: (digest) => Promise.resolve(paths.get(digest) ?? ""),
  id: "bench",
  startShipping: shipInThread({ databaseUrl }),
  logDirectory: join(directory, "log"),
  recordFeedback: () => Promise.resolve({}),
  snapshotPath: join(directory, "routes.json"),
  graceMs,
});

/** One id a version: an epoch that names a version again finds it where it is still warm. */
const ids = new Map<string, string>();

process.on("message", (message: ToBenchGateway) => {
  if (message.kind === "memory") {
    void residentBytes(process.pid).then((bytes) => process.send?.({ kind: "memory", bytes }));
    return;
  }
  routes = message.routes.map(({ endpoint, epoch, path, version, sampleShare }) => {
    paths.set(version.digest, path);
    const key = `${endpoint}@${version.number}`;
    const versionId = ids.get(key) ?? randomUUID();
    ids.set(key, versionId);
    const champion = { ...version, versionId };
    const log = { sampleShare };
    return { endpoint, epoch, champion, canary: null, canaryBasisPoints: 0, salt: "salt", leaseUntilMs: null, log };
  });
  changed();
});
process.on("disconnect", () => void gateway.stop().then(() => process.exit(0)));
process.send?.({ kind: "ready", url: gateway.url });
