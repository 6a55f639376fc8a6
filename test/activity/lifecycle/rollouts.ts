import { expect } from "vitest";
import type { RolloutInput } from "../../../contracts/messages.ts";
import { createId } from "../../../db/identifiers.ts";
import type { Prediction } from "../../../db/queries/prediction.ts";
import { loadRouting } from "../../../db/queries/routing.ts";
import { addEvaluation, addVersion } from "../../database/sample.ts";
import { type ActivityStage } from "./activity-stage.ts";
import { insertPredictions } from "../../support/predictions.ts";

/** Rollouts on a stage's database, and the traffic they have. */
export function createRollouts(stageOf: () => ActivityStage) {
  const routingOf = async (endpoint: string) => {
    const [routing] = await loadRouting(stageOf().test.database, { endpoint });
    if (!routing) throw new Error(`${endpoint} routes nothing`);
    return routing;
  };

  /** An endpoint whose champion is version 1, and an opened rollout of version 2. */
  async function openRollout(model: string, phases: object = {}): Promise<RolloutInput> {
    const { database } = stageOf().test;
    const [one, two] = [
      await addVersion(database, model, `${model} one`),
      await addVersion(database, model, `${model} two`),
    ];
    for (const version of [one, two]) await addEvaluation(database, version);
    const input = (rolloutId: string, versionId: string): RolloutInput => ({
      rolloutId,
      endpoint: model,
      environment: "production",
      versionId,
      startedBy: "ada",
      lifecycle: null,
      plan: {
        steps: [2500, 5000],
        minimumRequestsPerStep: 20,
        guardrails: [{ name: "error-rate", atMost: 0.2 }],
        ...phases,
      },
    });
    const first = input(`${model}-first`, one.id);
    expect(await stageOf().run("openRollout", first)).toMatchObject({ hasChampion: false });
    await stageOf().withGateway(model, () =>
      stageOf().run("closeRollout", { rolloutId: first.rolloutId, status: "promoted", reason: "" }),
    );
    const second = input(`${model}-second`, two.id);
    expect(await stageOf().run("openRollout", second)).toMatchObject({ hasChampion: true, stepCount: 2 });
    return second;
  }

  /** Requests of the current epoch, a share of them errors. */
  async function serve(endpoint: string, arm: Prediction["arm"], requests: number, errors: number): Promise<void> {
    const routing = await routingOf(endpoint);
    const version = routing[arm];
    if (!version) throw new Error(`${endpoint} has no ${arm}`);
    const rows = Array.from({ length: requests }, (_, index) => ({
      inferenceId: createId(),
      endpoint,
      epoch: routing.epoch,
      arm,
      assigned: true,
      modelVersion: version.versionId,
      routingKeyHash: null,
      at: routing.databaseTime,
      latencyMs: 2,
      outcome: index < errors ? ("error" as const) : ("ok" as const),
      score: index < errors ? null : 0.4,
      decision: index < errors ? null : 0,
      features: null,
    }));
    expect(await insertPredictions(stageOf().test.database, rows)).toBe(requests);
  }

  return { routingOf, openRollout, serve };
}
