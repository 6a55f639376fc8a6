import { randomUUID } from "node:crypto";

import { Client, Connection } from "@temporalio/client";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";

import { listUnrecorded } from "../../../client/unrecorded-work.ts";
import { WORKFLOWS, workflowIds } from "../../../contracts/names.ts";
import { recordAudit } from "../../../db/queries/audit.ts";
import { takeTurn } from "../../../db/queries/rollout-turn.ts";
import { listStuck } from "../../../db/queries/stuck.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { connectApplication, record, type Application } from "../application.ts";
import { PERMISSION_DENIED } from "../refusal.ts";
import { addEndpoint, addEvaluationStage, addLifecycle, addVersion, digest, specFor } from "../sample.ts";

let test: TestDatabase;
let app: Application;

beforeAll(async () => {
  test = await createTestDatabase();
  app = await connectApplication(test);
});
afterAll(async () => {
  await app.close();
  await test.close();
});

/** Lets database time have passed for everything on record, as only a superuser can pretend. */
async function pass(hours: number): Promise<void> {
  const back = (columns: readonly string[]) =>
    columns.map((column) => `${column} = ${column} - interval '${hours} hours'`).join(", ");
  await test.admin.query("SET session_replication_role = replica");
  await test.admin.query(`UPDATE lifecycle SET ${back(["started_at", "status_at", "finished_at"])}`);
  await test.admin.query(`UPDATE stage_run SET ${back(["started_at", "finished_at"])}`);
  await test.admin.query(`UPDATE rollout SET ${back(["started_at", "ended_at"])}`);
  await test.admin.query(`UPDATE endpoint SET ${back(["lease_until"])}`);
  await test.admin.query("RESET session_replication_role");
}
const stuck = async () => (await listStuck(test.database)).map(({ subject }) => subject);
const move = (id: string, status: string) =>
  app.write(["SELECT * FROM set_lifecycle_status($1, $2, NULL, NULL)", [id, status]]);

describe("I10: what was started ends, or is seen to be stuck", () => {
  it("a lifecycle that runs and does not move, once anything it may be doing would have ended", async () => {
    await addLifecycle(test.database, "lost", "flights");
    await addEvaluationStage(test.database, "lost");
    expect(await stuck()).toEqual([]);
    await pass(8.5);
    expect(await stuck()).toEqual([]);
    await pass(1);
    expect(await stuck()).toEqual(["lifecycle/lost"]);
  });

  it("not one that moved since, that waits for people, that was paused, or that ended", async () => {
    for (const id of ["moved", "waits", "paused", "ended"]) await addLifecycle(test.database, id, "flights");
    await move("waits", "waiting");
    await move("ended", "failed");
    const paused = { actor: "ada", subject: "lifecycle/paused" };
    await test.database.transaction((tx) =>
      recordAudit(tx, { ...paused, body: { kind: "request-made", request: "pause", reason: "" } }),
    );
    await pass(10);
    await addEvaluationStage(test.database, "moved");
    expect(await stuck()).toEqual(["lifecycle/lost"]);
    await test.database.transaction((tx) =>
      recordAudit(tx, { ...paused, body: { kind: "request-made", request: "resume", reason: "" } }),
    );
    expect(await stuck()).toEqual(["lifecycle/lost", "lifecycle/paused"]);
  });

  it("a training that may take days is waited for", async () => {
    const spec = specFor("flights");
    const long = { ...spec, training: { ...spec.training, timeoutMs: 40 * 3600 * 1000 } };
    const row = { id: "long", model: "flights", spec: long, spec_digest: digest("long"), started_by: "ada" };
    await app.write(record("lifecycle", row));
    await pass(80);
    expect(await stuck()).not.toContain("lifecycle/long");
    await pass(2);
    expect(await stuck()).toContain("lifecycle/long");
  });

  it("a rollout whose lease nobody renews", async () => {
    const version = await addVersion(test.database, "hotels", "bytes");
    await addEndpoint(test.database, "live", "hotels", "staging");
    const plan = { plan: {}, plan_digest: digest("plan"), canary_version: version.id, started_by: "ada" };
    await app.write(record("rollout", { id: "adrift", endpoint: "live", model: "hotels", ...plan }));
    expect(await stuck()).not.toContain("rollout/adrift");
    await pass(2);
    expect(await stuck()).toContain("rollout/adrift");
    await app.write(["SELECT FROM set_lease('live', 0, 60000)"]);
    expect(await stuck()).not.toContain("rollout/adrift");
  });

  it("a run that Temporal accepted and no worker ever took up, which Postgres knows nothing of", async () => {
    const connection = await Connection.connect({ address: inject("temporalAddress") });
    const client = new Client({ connection });
    const own = randomUUID();
    const start = (type: string, workflowId: string) =>
      client.workflow.start(type, { taskQueue: own, workflowId, args: [] });
    await addLifecycle(test.database, `known-${own}`, "flights");
    await addEndpoint(test.database, "queued", "flights", "staging");
    await takeTurn(test.database, { id: `queued-${own}`, endpoint: "queued" });
    const started = [
      await start(WORKFLOWS.modelLifecycle, workflowIds.lifecycle(`unknown-${own}`)),
      await start(WORKFLOWS.modelLifecycle, workflowIds.lifecycle(`known-${own}`)),
      await start(WORKFLOWS.canaryRollout, workflowIds.rollout(own)),
      await start(WORKFLOWS.deploymentInTurn, workflowIds.deployment(own)),
      await start(WORKFLOWS.deploymentInTurn, workflowIds.deployment(`queued-${own}`)),
      await start(WORKFLOWS.registryChange, workflowIds.registryChange(own)),
      await start("somebody-elses", own),
    ];
    const unrecorded = async (bounds: { begunWithinMs: number; doneWithinMs: number }) =>
      (await listUnrecorded(client, test.database, bounds))
        .map(({ subject }) => subject)
        .filter((subject) => subject.includes(own))
        .sort();
    const missing = [`deployment/${own}`, `lifecycle/unknown-${own}`, `rollout/${own}`];
    // What Temporal lists is a moment behind what it has.
    await expect
      .poll(() => unrecorded({ begunWithinMs: 0, doneWithinMs: 0 }), { timeout: 20_000 })
      .toEqual([...missing, `registry-change/${own}`].sort());
    expect(await unrecorded({ begunWithinMs: 0, doneWithinMs: 3_600_000 })).toEqual(missing);
    expect(await unrecorded({ begunWithinMs: 3_600_000, doneWithinMs: 3_600_000 })).toEqual([]);
    for (const handle of started) await handle.terminate();
    await connection.close();
  });

  it("and the application cannot hide it but by a recorded end or move", async () => {
    for (const statement of [
      "UPDATE lifecycle SET status_at = now()",
      "UPDATE stage_run SET started_at = now()",
      "DELETE FROM lifecycle",
      "CREATE OR REPLACE VIEW stuck_work AS SELECT 1",
      "DROP VIEW stuck_work",
    ]) {
      expect([statement, await app.refusal(statement)]).toEqual([statement, PERMISSION_DENIED]);
    }
    expect(await app.refusal("SELECT set_lifecycle_status('lost', 'failed', NULL, NULL)")).toBe(
      "written_with_audit_event",
    );
    expect(await stuck()).toContain("lifecycle/lost");
    await move("lost", "failed");
    expect(await stuck()).not.toContain("lifecycle/lost");
  });
});
