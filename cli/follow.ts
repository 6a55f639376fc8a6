import type { LifecycleView, Modelwright } from "../client/index.ts";
import { renderLifecycle } from "../client/step-tree.ts";
import { exitOfLifecycle, type Answer } from "./answer.ts";
import { describeChanges } from "./describe-changes.ts";
import type { Screen } from "./screen.ts";

/** Follows a lifecycle to its end or to a person's decision: a tree drawn in place, or a line a change. */
export async function followLifecycle(
  modelwright: Modelwright,
  screen: Screen,
  { lifecycleId, throughWaits }: { readonly lifecycleId: string; readonly throughWaits: boolean },
): Promise<Answer> {
  let before: LifecycleView | null = null;
  let away = false;
  const onAway = ({ message }: Error) => {
    if (!away) screen.say(screen.paint("open", `${message}; waiting for it to come back`));
    away = true;
  };
  for await (const view of modelwright.watch(lifecycleId, { throughWaits, onAway })) {
    if (away) screen.say("it answers again");
    away = false;
    if (screen.live) screen.redraw(draw(view, screen));
    else for (const line of describeChanges(before, view)) screen.say(line);
    before = view;
  }
  if (!before) throw new Error(`watching lifecycle ${lifecycleId} ended without a view`);
  return answerOf(before, screen);
}

/** The tree as it stands, with the exit code of where it stands. */
export function answerOf(view: LifecycleView, screen: Screen): Answer {
  return { document: view, lines: draw(view, screen), exitCode: exitOfLifecycle(view) };
}

const draw = (view: LifecycleView, { width, color }: Screen) =>
  renderLifecycle(view, { width, color, now: Date.now() });
