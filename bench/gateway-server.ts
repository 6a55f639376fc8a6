import { join } from "node:path";
import { startGateway } from "../serving/gateway.ts";
import { BENCH_SIGNATURE } from "./gateway-model.ts";

/** The gateway under load, in a process of its own, with one route that stays. */
const [path = "", digest = "", directory = ""] = process.argv.slice(2);
const champion = { versionId: "bench", number: 1, digest, signature: BENCH_SIGNATURE };
const route = {
  endpoint: "bench",
  epoch: 1,
  champion,
  canary: null,
  canaryBasisPoints: 0,
  salt: "salt",
  leaseUntilMs: null,
};

const gateway = await startGateway({
  findToken: () => Promise.resolve(null),
  source: {
    load: () => Promise.resolve({ databaseNowMs: Date.now(), routes: [route] }),
    confirm: () => Promise.resolve(),
    report: () => Promise.resolve(),
    watch: () => () => Promise.resolve(),
  },
  localPath: () => Promise.resolve(path),
  shipLog: ({ toByte }) => Promise.resolve(toByte),
  logDirectory: join(directory, "log"),
  recordFeedback: () => Promise.resolve({}),
  snapshotPath: join(directory, "routes.json"),
});
process.on("disconnect", () => void gateway.stop().then(() => process.exit(0)));
process.send?.(gateway.url);
