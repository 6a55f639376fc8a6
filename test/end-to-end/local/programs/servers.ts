// Starts the servers on the folder it is given, prints where they are as one JSON line, and keeps them until it is stopped.
import { startServers } from "../../../../local/servers.ts";
import { stopOnSignals } from "../../../../local/stop-on-signals.ts";

const [dataDir = ""] = process.argv.slice(2);
const abort = new AbortController();
let stop = async (): Promise<void> => abort.abort(new Error("interrupted"));
stopOnSignals(async () => await stop());

const servers = await startServers({ dataDir, env: process.env, signal: abort.signal });
stop = async () => await servers.stop();
const { postgres, temporal, reaper } = servers;
console.log(
  JSON.stringify({
    adminUrl: postgres.adminUrl,
    temporalAddress: temporal.address,
    pids: { postgres: postgres.pid, temporal: temporal.pid, reaper: reaper.pid },
  }),
);
