import { proxyActivities } from "@temporalio/workflow";

/** What the peer is asked: the task queue of each activity, in order. */
export interface BareChain {
  readonly taskQueues: readonly string[];
}

/** The peer of `modelLifecycle`: what anybody would write first, as many activities one after the other. */
export async function bareChain({ taskQueues }: BareChain): Promise<void> {
  for (const taskQueue of taskQueues) {
    const { nothing } = proxyActivities<{ nothing: () => Promise<void> }>({ taskQueue, startToCloseTimeout: "30s" });
    await nothing();
  }
}
