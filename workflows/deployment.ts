import {
  CancellationScope,
  allHandlersFinished,
  condition,
  defineUpdate,
  isCancellation,
  setHandler,
} from "@temporalio/workflow";
import type { Request, RolloutInput, RolloutResult } from "../contracts/messages.ts";
import { UPDATES } from "../contracts/names.ts";
import { closing } from "./activity-options.ts";
import { remembered } from "./remember.ts";
import { rollOutInTurn } from "./turn.ts";

const abortUpdate = defineUpdate<void, [Request]>(UPDATES.abort);

/** What somebody deploys by hand where another rollout has the endpoint: in a queue, in its place, or not at all, as that one's plan says. */
export async function deploymentInTurn(input: RolloutInput): Promise<RolloutResult> {
  const { rolloutId, endpoint } = input;
  const turn = new CancellationScope();
  let abort: Request | null = null;
  let runs = false;
  const stop = (request: Request) => {
    abort = request;
    turn.cancel();
  };
  setHandler(
    abortUpdate,
    remembered(`rollout/${rolloutId}`, "abort", stop, () => (runs ? endpoint : null)),
  );
  const asked = (): Request | null => abort;
  try {
    return await turn.run(() => rollOutInTurn(input, (now) => (runs = now)));
  } catch (thrown) {
    await CancellationScope.nonCancellable(() => closing.leaveTurn({ rolloutId }));
    const by = asked();
    if (!by || !isCancellation(thrown)) throw thrown;
    return { rolloutId, status: "aborted", reason: `${by.by}: ${by.reason}` };
  } finally {
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }
}
