/**
 * Records the histories that the replay test holds new workflow code against: `node --import tsx test/replay/record.ts [name ...]`.
 * Record a behaviour when it is new. Recording an old one again throws away what guards the runs that are waiting in production.
 */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { projectRoot } from "../../local/data-directory.ts";
import { startServers } from "../../local/servers.ts";
import { openWorkflowStage } from "../workflow/workers.ts";
import { historiesFolder, toPlain, type RecordedHistory } from "./histories.ts";
import { scenarios } from "./scenarios.ts";

const kept = new Set((await readdir(historiesFolder)).map((file) => file.replace(/\.json$/, "")));
const asked = process.argv.slice(2);
const names = asked.length > 0 ? asked : Object.keys(scenarios).filter((name) => !kept.has(name));

const dataDir = await mkdtemp(join(tmpdir(), "modelwright-record-"));
const servers = await startServers({ dataDir, env: process.env });
const stage = await openWorkflowStage(servers.temporal.address);
try {
  for (const name of names) {
    const scenario = scenarios[name];
    if (!scenario) throw new Error(`no scenario ${name}; there are ${Object.keys(scenarios).join(", ")}`);
    stage.stubs.reset();
    const recorded: RecordedHistory[] = [];
    for (const workflowId of await scenario(stage, name)) {
      const history = await stage.client.workflow.getHandle(workflowId).fetchHistory();
      recorded.push({ workflowId, history: toPlain(history) as RecordedHistory["history"] });
    }
    // Stack traces name the machine's folders.
    const text = JSON.stringify(recorded, null, 1).replaceAll(projectRoot.replace(/\/$/, ""), "/modelwright");
    await writeFile(join(historiesFolder, `${name}.json`), `${text}\n`);
    console.log(`${name}: ${recorded.map(({ history }) => history.events.length).join(" and ")} events`);
  }
} finally {
  await stage.close();
  await servers.stop();
  await rm(dataDir, { recursive: true, force: true });
}
