import { setTimeout as sleep } from "node:timers/promises";
import type { Modelwright, RolloutView } from "../client/index.ts";
import { describeWaiting, renderRollout } from "../client/rollout-block.ts";
import { printable } from "../client/text.ts";
import { isFailure } from "../contracts/failures.ts";
import { EXIT_CODES } from "../contracts/names.ts";
import type { Answer } from "./answer.ts";
import type { Screen } from "./screen.ts";

/** Follows a rollout to its end, also while it waits for its endpoint: its evidence drawn in place, or a line a look. */
export async function followRollout(
  modelwright: Pick<Modelwright, "rollout" | "waitingRollouts">,
  screen: Screen,
  rolloutId: string,
  { everyMs = 1000 }: { readonly everyMs?: number } = {},
): Promise<Answer> {
  const open = await followTurn(modelwright, screen, rolloutId, everyMs);
  if (!open) {
    const outcome = "waits no more and did not open: it was taken back or refused";
    return {
      document: { id: rolloutId, status: "not-opened", outcome },
      lines: [`${printable(rolloutId)} ${outcome}`],
      exitCode: EXIT_CODES.gateFailed,
    };
  }
  let told = 0;
  for (;;) {
    const view = await modelwright.rollout(rolloutId);
    if (screen.live) screen.redraw(draw(view, screen));
    else {
      for (const { number, verdict, look } of view.looks) {
        if (number > told) screen.say(`look ${number}: ${verdict}; ${printable(look.reason)}`);
        told = Math.max(told, number);
      }
    }
    if (view.status !== "running") {
      const exitCode = view.status === "promoted" ? EXIT_CODES.pass : EXIT_CODES.gateFailed;
      return { document: view, lines: draw(view, screen), exitCode };
    }
    await sleep(everyMs);
  }
}

/** Waits with one that waits; false when it never opened. @throws REFERENCE_UNKNOWN for one that does not wait either */
async function followTurn(
  modelwright: Pick<Modelwright, "rollout" | "waitingRollouts">,
  screen: Screen,
  rolloutId: string,
  everyMs: number,
): Promise<boolean> {
  let said = "";
  for (;;) {
    // In this order: it opens and waits no more in one transaction.
    const waiting = (await modelwright.waitingRollouts()).find((one) => one.rolloutId === rolloutId);
    if (!waiting) {
      const found = await modelwright.rollout(rolloutId).catch((thrown: unknown) => {
        if (said !== "" && isFailure(thrown) && thrown.code === "REFERENCE_UNKNOWN") return null;
        throw thrown;
      });
      return found !== null;
    }
    const line = describeWaiting(waiting);
    if (screen.live) screen.redraw([line]);
    else if (line !== said) screen.say(line);
    said = line;
    await sleep(everyMs);
  }
}

const draw = (view: RolloutView, { width, color }: Screen): string[] => [
  `${printable(view.id)} on ${view.endpoint}: ${view.status}${view.outcome === null ? "" : `, ${printable(view.outcome)}`}`,
  ...renderRollout(view, { width, color, now: Date.now() }).map((line) => `  ${line}`),
];
