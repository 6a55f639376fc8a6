import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RolloutInput } from "../../../contracts/messages.ts";
import { createLineageReader } from "../../../client/lineage.ts";
import { explainPrediction } from "../../../db/queries/explain.ts";
import { attribute } from "../../../db/queries/person.ts";
import { reveal } from "../../../db/queries/reveal.ts";
import { openActivityStage, type ActivityStage } from "./activity-stage.ts";
import { createRollouts } from "./rollouts.ts";

let stage: ActivityStage;

beforeAll(async () => {
  stage = await openActivityStage();
});
afterAll(async () => await stage.close());

const { routingOf, openRollout, serve } = createRollouts(() => stage);

/** As the workflow knows him once his request was remembered. */
const grace = (reason: string) =>
  stage.test.database.transaction((tx) => attribute(tx, { by: "grace", reason }), { accessMode: "read write" });

/** Serves a request under the present epoch and asks who let it be so. */
async function explained(endpoint: string, arm: "champion" | "canary") {
  const { database, admin } = stage.test;
  await serve(endpoint, arm, 1, 0);
  const { rows } = await admin.query<{ id: string }>(
    "SELECT inference_id AS id FROM prediction WHERE endpoint = $1 ORDER BY epoch DESC LIMIT 1",
    [endpoint],
  );
  const { epoch, version } = await reveal(database, await requireExplanation(rows[0]?.id ?? ""));
  const lineage = await createLineageReader(database).lineage(`routing-epoch/${endpoint}/${epoch.epoch}`);
  return { by: epoch.createdBy, reason: epoch.reason, version: version.number, lineage };
}

async function requireExplanation(id: string) {
  const found = await explainPrediction(stage.test.database, id);
  if (!found) throw new Error(`prediction ${id} is not logged`);
  return found;
}

/** Who did it and why is the label of the epoch; what he had served are the edges. */
const executionOf = (kind: string, endpoint: string, label: string) => ({
  complete: true,
  executions: expect.arrayContaining([expect.objectContaining({ kind })]) as unknown,
  used: expect.arrayContaining([expect.objectContaining({ ref: `model/${endpoint}@1` })]) as unknown,
  generated: expect.arrayContaining([expect.objectContaining({ role: "routing-epoch" })]) as unknown,
  nodes: expect.arrayContaining([expect.objectContaining({ label })]) as unknown,
});

const tried = async (name: string, phases: object = {}): Promise<RolloutInput> => {
  const rollout = await openRollout(name, phases);
  await stage.run("shiftTraffic", { rolloutId: rollout.rolloutId, step: 0 });
  return rollout;
};
const close = (endpoint: string, end: object) =>
  stage.withGateway(endpoint, () => stage.run("closeRollout", { reason: "", ...end } as never));

describe("who moved traffic by hand, and why, is told of a request served after it and stands in lineage", () => {
  it("where a former champion was brought back", async () => {
    const { rolloutId, endpoint } = await tried("restored");
    await close(endpoint, { rolloutId, status: "promoted" });
    const request = { endpoint, by: "grace", reason: "wrong on Mondays", requestId: "restored-1" };
    await stage.withGateway(endpoint, () => stage.run("restoreFormerChampion", request));
    const reason = "rollback by grace: wrong on Mondays";
    const told = await explained(endpoint, "champion");
    expect(told).toMatchObject({ by: "grace", reason, version: 1 });
    expect(told.lineage).toMatchObject(executionOf("rollback", endpoint, reason));
  });

  it("where somebody ended a running rollout", async () => {
    const { rolloutId, endpoint } = await tried("withdrawn");
    const hand = await grace("looks wrong");
    await stage.withGateway(endpoint, () => stage.run("withdrawCanary", { rolloutId, hand }));
    await close(endpoint, { rolloutId, status: "aborted", hand });
    const told = await explained(endpoint, "champion");
    expect(told).toMatchObject({ by: "grace", reason: "rollback by grace: looks wrong" });
    expect(told.lineage).toMatchObject(executionOf("rollback", endpoint, told.reason));
  });

  it("where somebody set a canary's share, and not where the plan's share came back", async () => {
    const { rolloutId, endpoint } = await tried("shared");
    const change = { rolloutId, basisPoints: 100, number: 1, ...(await grace("carefully")) };
    await stage.run("setShare", change);
    const told = await explained(endpoint, "canary");
    expect(told).toMatchObject({ by: "grace", reason: "share set by grace: carefully", version: 2 });
    expect(told.lineage).toMatchObject(executionOf("share", endpoint, told.reason));
    await stage.run("setShare", {
      ...change,
      number: 2,
      basisPoints: 2500,
      by: null,
      reason: "the plan's share again",
    });
    const { epoch } = await routingOf(endpoint);
    const reader = createLineageReader(stage.test.database);
    await expect(reader.lineage(`routing-epoch/${endpoint}/${epoch}`)).rejects.toMatchObject({
      code: "REFERENCE_UNKNOWN",
    });
  });

  it("where somebody promoted past the evidence, in the epoch that is observed and in the last one", async () => {
    const { rolloutId, endpoint } = await tried("promoted");
    const hand = await grace("the old one is down");
    const reason = "promoted past the evidence by grace: the old one is down";
    await stage.run("promoteCanary", { rolloutId, hand });
    const observed = await explained(endpoint, "champion");
    expect(observed).toMatchObject({ by: "grace", reason, version: 2 });
    await close(endpoint, { rolloutId, status: "promoted", hand });
    const told = await explained(endpoint, "champion");
    expect(told).toMatchObject({ by: "grace", reason, version: 2 });
    expect(told.lineage).toMatchObject({
      executions: expect.arrayContaining([expect.objectContaining({ kind: "promote" })]) as unknown,
    });
  });
});
