// Supervises one steady child on the folder it is given and prints the pids as one JSON line.
import { startReaper } from "../../../../local/reaper.ts";
import { createSupervisor } from "../../../../local/supervisor.ts";

const [dataDir = ""] = process.argv.slice(2);
const reaper = startReaper();
const supervisor = createSupervisor({ dataDir, reaper });
const entry = "test/end-to-end/local/programs/steady.ts";
const child = await supervisor.start({ name: "steady", entry, env: process.env });
const pids = { child: child.pid, grandchild: child.ready["grandchild"], reaper: reaper.pid };
console.log(JSON.stringify({ pids }));
