import type { LifecycleView, Modelwright } from "../../client/index.ts";
import { renderLifecycle } from "../../client/step-tree.ts";
import type { Screen } from "./screen.ts";

/** Follows a lifecycle on the screen until it ends or waits for a person. */
export async function follow(
  screen: Screen,
  modelwright: Modelwright,
  lifecycleId: string,
  signal: AbortSignal,
): Promise<LifecycleView> {
  let last: LifecycleView | null = null;
  for await (const view of modelwright.watch(lifecycleId)) {
    signal.throwIfAborted();
    last = view;
    screen.live(renderLifecycle(view, { width: screen.width, color: screen.color, now: Date.now() }));
  }
  screen.settle();
  if (!last) throw new Error(`lifecycle ${lifecycleId} showed nothing`);
  return last;
}

/** The demo's story goes on only while each lifecycle ends as it should. */
export function expectStatus(view: LifecycleView, status: LifecycleView["status"]): void {
  if (view.status === status) return;
  throw new Error(`lifecycle ${view.id} is ${view.status}, the story needs ${status}: ${view.outcome ?? ""}`);
}
