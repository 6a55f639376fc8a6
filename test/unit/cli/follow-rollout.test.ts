import { describe, expect, it } from "vitest";
import { followRollout } from "../../../cli/follow-rollout.ts";
import type { Screen } from "../../../cli/screen.ts";
import { Failure } from "../../../contracts/failures.ts";
import { rollout } from "./views.ts";

/** Follows where nothing can be drawn over, without a pause; `said` gets the lines. */
function follow(modelwright: Parameters<typeof followRollout>[0], said: string[], rolloutId: string) {
  const screen: Pick<Screen, "live" | "width" | "color" | "say"> = {
    live: false,
    width: 100,
    color: false,
    say: (line) => void said.push(line),
  };
  return followRollout(modelwright, screen as Screen, rolloutId, { everyMs: 0 });
}

describe("following a rollout", () => {
  it.each([
    ["promoted", 0],
    ["rolled-back", 2],
  ] as const)("says each look once and ends with it: %s is exit code %i", async (status, code) => {
    const said: string[] = [];
    const ended = { ...rollout(), status, outcome: "that is why" };
    const views = [rollout(), rollout(), ended];
    const modelwright = { rollout: async () => views.shift() ?? ended, waitingRollouts: async () => [] };
    const { exitCode, lines } = await follow(modelwright, said, "flight-delay-r1");
    expect(exitCode).toBe(code);
    expect(said).toEqual(["look 14: hold; error-rate: not shown safe yet"]);
    expect(lines[0]).toBe(`flight-delay-r1 on flight-delay: ${status}, that is why`);
  });

  it("says behind whom it waits while another has its endpoint, and goes on when it opens", async () => {
    const said: string[] = [];
    const waits = { rolloutId: "flight-delay-r1", endpoint: "flight-delay" };
    const turns = [["r0", "other"], ["r0"], ["r0"]].map((behind) => [{ ...waits, behind }]);
    const modelwright = {
      rollout: async () => ({ ...rollout(), status: "promoted" as const }),
      waitingRollouts: async () => turns.shift() ?? [],
    };
    expect((await follow(modelwright, said, "flight-delay-r1")).exitCode).toBe(0);
    expect(said.slice(0, 2)).toEqual([
      "rollout flight-delay-r1 waits for flight-delay, behind r0, other",
      "rollout flight-delay-r1 waits for flight-delay, behind r0",
    ]);
  });

  it("that never opens is exit code 2, and one that nobody knows is an error", async () => {
    const turns = [[{ rolloutId: "r1", endpoint: "e", behind: [] }]];
    const modelwright = {
      rollout: () => Promise.reject(new Failure("REFERENCE_UNKNOWN", { reference: "rollout/r1" })),
      waitingRollouts: async () => turns.shift() ?? [],
    };
    const said: string[] = [];
    expect(await follow(modelwright, said, "r1")).toMatchObject({
      exitCode: 2,
      document: { status: "not-opened" },
    });
    expect(said).toEqual(["rollout r1 waits for e, and is next"]);
    await expect(follow(modelwright, said, "r1")).rejects.toMatchObject({ code: "REFERENCE_UNKNOWN" });
  });
});
