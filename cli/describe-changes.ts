import type { LifecycleView } from "../client/index.ts";
import { describeWaiting } from "../client/rollout-block.ts";
import { formatDuration, printable } from "../client/text.ts";

/** One line for everything that changed from one view to the next: what a log shows where nothing can be drawn over. */
export function describeChanges(before: LifecycleView | null, now: LifecycleView): string[] {
  const lines: string[] = [];
  const seen = new Map((before?.stages ?? []).map((run) => [run.id, run]));
  for (const run of now.stages) {
    const earlier = seen.get(run.id);
    if (earlier?.status === run.status && earlier.attempt === run.attempt) continue;
    const round = run.round > 1 ? ` (round ${run.round})` : "";
    const attempt = run.attempt > 1 ? `, attempt ${run.attempt}` : "";
    const took = run.finishedAt ? ` in ${formatDuration(run.finishedAt.getTime() - run.startedAt.getTime())}` : "";
    const headline = run.headline ? `: ${printable(run.headline)}` : "";
    lines.push(`${run.stage}${round}: ${run.status}${attempt}${took}${headline}`);
  }
  const [waits, waited] = [now.waiting, before?.waiting ?? null].map((one) => one && describeWaiting(one));
  if (waits && waits !== waited) lines.push(waits);
  const look = now.rollout?.looks.at(-1)?.look;
  const earlierLook = before?.rollout?.looks.at(-1)?.look;
  if (
    look &&
    (look.step !== earlierLook?.step || look.verdict !== earlierLook.verdict || look.stepDone !== earlierLook.stepDone)
  ) {
    lines.push(`rollout: ${look.verdict}: ${printable(look.reason)}`);
  }
  if (now.status !== (before?.status ?? "running")) {
    lines.push(`lifecycle: ${now.status}${now.outcome ? `: ${printable(now.outcome)}` : ""}`);
  }
  return lines;
}
