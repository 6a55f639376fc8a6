import { tmpdir } from "node:os";
import { join } from "node:path";

import { DefaultLogger, Runtime, Worker, type ReplayWorkerOptions } from "@temporalio/worker";
import { beforeAll, describe, expect, it } from "vitest";

import { WORKFLOWS } from "../../contracts/names.ts";
import { loadWorkflowBundle } from "../../workers/workflow-bundle.ts";
import { loadHistories, type RecordedHistory } from "./histories.ts";
import { scenarios } from "./scenarios.ts";

const histories = await loadHistories();
let options: ReplayWorkerOptions;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger("ERROR"), shutdownSignals: [] });
  const { code } = await loadWorkflowBundle(join(tmpdir(), "modelwright-test-bundles"));
  options = { workflowBundle: { code } };
});

/** The error of each history's replay against the present workflow code, by workflow id. */
async function replay(recorded: readonly RecordedHistory[]): Promise<ReadonlyMap<string, Error | undefined>> {
  const errors = new Map<string, Error | undefined>();
  for await (const { workflowId, error } of Worker.runReplayHistories(options, recorded)) errors.set(workflowId, error);
  return errors;
}

describe("recorded histories", () => {
  it.each([...histories])("of %s go on with the present workflow code", async (_behaviour, recorded) => {
    const errors = await replay(recorded);
    expect([...errors]).toEqual(recorded.map(({ workflowId }) => [workflowId, undefined]));
  });

  it("show every workflow and every scenario", () => {
    const started = [...histories.values()]
      .flat()
      .map(({ history }) => history.events[0]?.workflowExecutionStartedEventAttributes?.workflowType.name);
    expect(new Set(started)).toEqual(new Set(Object.values(WORKFLOWS)));
    expect(new Set(histories.keys())).toEqual(new Set(Object.keys(scenarios)));
  });

  it("of a run whose code did other work in another order are refused as nondeterministic", async () => {
    const [recorded] = structuredClone(histories.get("lifecycle-plain") ?? []);
    const scheduled =
      recorded?.history.events.flatMap((event) => event.activityTaskScheduledEventAttributes ?? []) ?? [];
    const train = scheduled.find(({ activityType }) => activityType.name === "trainModel");
    const validate = scheduled.find(({ activityType }) => activityType.name === "validateData");
    if (!recorded || !train || !validate) throw new Error("lifecycle-plain shows neither validation nor training");
    train.activityType.name = "validateData";
    validate.activityType.name = "trainModel";
    const errors = await replay([recorded]);
    expect(errors.get(recorded.workflowId)).toMatchObject({ name: "DeterminismViolationError" });
  });
});
