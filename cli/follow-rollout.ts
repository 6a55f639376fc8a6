import { setTimeout as sleep } from "node:timers/promises";
import type { Modelwright, RolloutView } from "../client/index.ts";
import { renderRollout } from "../client/rollout-block.ts";
import { printable } from "../client/text.ts";
import { EXIT_CODES } from "../contracts/names.ts";
import type { Answer } from "./answer.ts";
import type { Screen } from "./screen.ts";

const EVERY_MS = 1000;

/** Follows a rollout to its end: its evidence drawn in place, or a line a look. */
export async function followRollout(
  modelwright: Pick<Modelwright, "rollout">,
  screen: Screen,
  rolloutId: string,
): Promise<Answer> {
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
    await sleep(EVERY_MS);
  }
}

const draw = (view: RolloutView, { width, color }: Screen): string[] => [
  `${printable(view.id)} on ${view.endpoint}: ${view.status}${view.outcome === null ? "" : `, ${printable(view.outcome)}`}`,
  ...renderRollout(view, { width, color, now: Date.now() }).map((line) => `  ${line}`),
];
