import { describe, expect, it } from "vitest";
import { followRollout } from "../../../cli/follow-rollout.ts";
import type { Screen } from "../../../cli/screen.ts";
import { rollout } from "./views.ts";

describe("following a rollout", () => {
  it.each([
    ["promoted", 0],
    ["rolled-back", 2],
  ] as const)("says each look once and ends with it: %s is exit code %i", async (status, code) => {
    const said: string[] = [];
    const screen: Pick<Screen, "live" | "width" | "color" | "say"> = {
      live: false,
      width: 100,
      color: false,
      say: (line) => void said.push(line),
    };
    const ended = { ...rollout(), status, outcome: "that is why" };
    const views = [rollout(), ended];
    const modelwright = { rollout: async () => views.shift() ?? ended };
    const { exitCode, lines } = await followRollout(modelwright, screen as Screen, "flight-delay-r1");
    expect(exitCode).toBe(code);
    expect(said).toEqual(["look 14: hold; error-rate: not shown safe yet"]);
    expect(lines[0]).toBe(`flight-delay-r1 on flight-delay: ${status}, that is why`);
  });
});
