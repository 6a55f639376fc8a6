import { describe, expect, it } from "vitest";
import { renderRollout } from "../../../client/rollout-block.ts";
import { renderLifecycle } from "../../../client/step-tree.ts";
import { textWidth } from "../../../client/text.ts";
import { rollout, stage, START, view } from "./views.ts";

const plain = { width: 100, color: false, now: START + 64_000 };
const rowOf = (lines: readonly string[], name: string) =>
  lines.find((line) => line.slice(4).startsWith(name)) ?? "(no row)";

describe("the step tree of a lifecycle", () => {
  it("shows every stage the spec asks for, in order, with those to come marked as open", () => {
    const lines = renderLifecycle(view({ stages: [stage({ stage: "accept", status: "passed" })] }), plain);
    const names = lines.flatMap((line) => /^ {2}\S (\w+)/.exec(line)?.[1] ?? []);
    expect(names.join(" ")).toBe("accept snapshot validate train admit optimize evaluate approve deploy monitor");
    expect(rowOf(lines, "train")).toBe("  ○ train   ");
  });

  it("leaves out approval, deployment and monitoring that the spec does not ask for", () => {
    const { deployment: _, monitoring: __, ...spec } = view().spec;
    const lines = renderLifecycle({ ...view(), spec: { ...spec, approval: { required: false } } }, plain);
    expect(lines.join("\n")).not.toMatch(/approve|deploy|monitor/);
  });

  it("gives a finished stage its duration, verdict and sentence", () => {
    const headline = "roc-auc is 0.71";
    const lines = renderLifecycle(view({ stages: [stage({ stage: "evaluate", status: "passed", headline })] }), plain);
    expect(rowOf(lines, "evaluate")).toBe("  ✔ evaluate        1.2 s  pass  roc-auc is 0.71");
  });

  it("counts a running stage's time on and draws its progress", () => {
    const running = view({
      stages: [stage({ stage: "train", status: "running" })],
      progress: { share: 0.5, note: "epoch 2 of 4" },
    });
    expect(rowOf(renderLifecycle(running, plain), "train")).toMatch(
      /^ {2}\S train {6}1 min 04 s {8}━{8}─{8} {2}50 % {2}epoch 2 of 4$/,
    );
  });

  it("turns the spinner with the clock and nothing else", () => {
    const running = view({ stages: [stage({ stage: "train", status: "running" })] });
    const at = (now: number) => rowOf(renderLifecycle(running, { ...plain, now }), "train").slice(0, 3);
    expect(new Set([START, START + 100, START + 200].map(at)).size).toBe(3);
    expect(at(START)).toBe(at(START + 1000));
  });

  it("shows a retried lifecycle's failed stage as open again while the new round runs, and keeps what passed", () => {
    const stages = [
      stage({ stage: "accept", status: "passed", headline: "kept" }),
      stage({ stage: "train", status: "failed", headline: "broke" }),
      stage({ stage: "snapshot", status: "passed", round: 2 }),
    ];
    const lines = renderLifecycle(view({ stages }), plain);
    expect(lines[0]).toContain("round 2");
    expect(rowOf(lines, "accept")).toContain("kept");
    expect(rowOf(lines, "train")).toBe("  ○ train   ");
  });

  it("has a passed stage open again that counts no more, with the reason", () => {
    const lapsed = stage({
      stage: "approve",
      status: "passed",
      headline: "approved by grace",
      lapsed: "its approval expired",
    });
    const lines = renderLifecycle(view({ stages: [lapsed] }), plain).join("\n");
    expect(lines).toMatch(/◷ approve .* lapsed: its approval expired/);
    expect(lines).not.toMatch(/approved by grace|✔ approve/);
  });

  it("tells who may not approve and how to, while it waits", () => {
    const lines = renderLifecycle(
      view({ status: "waiting", stages: [stage({ stage: "approve", status: "waiting" })] }),
      plain,
    );
    expect(lines.slice(-2)).toEqual([
      "◷ waits for the approval of somebody other than ada",
      "  modelwright approve flight-delay-1 --as WHO --reason WHY",
    ]);
  });

  it("offers a retry to a run that broke, and none to one that was judged", () => {
    const failed = { status: "failed", finishedAt: new Date(START + 5000) } as const;
    const broke = renderLifecycle(view({ ...failed, failureCode: "TRAINER_EXITED", outcome: "exit 1" }), plain);
    expect(broke.slice(-2)).toEqual([
      "✖ TRAINER_EXITED after 5.0 s: exit 1",
      "  run it again, with the spec it has: modelwright retry flight-delay-1",
    ]);
    const judged = renderLifecycle(view({ ...failed, outcome: "roc-auc too low" }), plain);
    expect(judged.at(-1)).toBe("✖ failed after 5.0 s: roc-auc too low");
  });

  it.each([60, 80, 100, 140])("keeps every line within %d columns, whatever people and models are called", (width) => {
    const long = "a very long sentence about 東京 ".repeat(20);
    const lines = renderLifecycle(
      view({
        id: "x".repeat(200),
        status: "running",
        startedBy: long,
        outcome: long,
        stages: [
          stage({ stage: "train", status: "failed", headline: long }),
          stage({ stage: "evaluate", status: "running" }),
          stage({ stage: "deploy", status: "running" }),
        ],
        progress: { share: 2, note: long },
        rollout: rollout(),
      }),
      { ...plain, width },
    );
    expect(Math.max(...lines.map(textWidth))).toBeLessThanOrEqual(width);
  });

  it("says under its deploy stage behind whom a rollout waits for its endpoint", () => {
    const waiting = { rolloutId: "flight-delay-1-1", endpoint: "flight-delay", behind: ["r7"] };
    const lines = renderLifecycle(view({ stages: [stage({ stage: "deploy", status: "running" })], waiting }), plain);
    const at = lines.findIndex((line) => line.includes("deploy"));
    expect(lines[at + 1]).toBe("    rollout flight-delay-1-1 waits for flight-delay, behind r7");
  });

  it("lets no name or sentence move the cursor", () => {
    const nasty = "evil\u001B[2J\u202Ename\nnext";
    const lines = renderLifecycle(
      view({ startedBy: nasty, stages: [stage({ stage: "train", status: "failed", headline: nasty })] }),
      plain,
    );
    expect(lines.join("")).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
  });

  it("colours only when asked, without changing what stands where", () => {
    const stages = [stage({ stage: "accept", status: "passed", headline: "fine" })];
    const colored = renderLifecycle(view({ stages, rollout: null }), { ...plain, color: true });
    expect(colored.join("\n")).toContain("\u001B[32m✔");
    // oxlint-disable-next-line no-control-regex -- colour codes are what is taken out
    expect(colored.map((line) => line.replaceAll(/\u001B\[\d+m/g, ""))).toEqual(
      renderLifecycle(view({ stages }), plain),
    );
  });
});

describe("the evidence of a rollout", () => {
  it("shows the step, its share, the requests and each guardrail against its bounds in aligned columns", () => {
    expect(renderRollout(rollout(), plain)).toEqual([
      "step 2 of 3 · 25 % to the canary · 604 canary and 3,012 champion requests · look 14",
      "guardrail        canary          champion        harm, of bound        safety, of bound",
      "error-rate       3 of 604        12 of 3,012     ────── 0.9 of 60      ━━━─── 12.1 of 60",
      "latency          40 of 604       150 of 3,012    ────── 1e-9 of 60     ━━━━━━ 4e+9 of 60",
      "wrong-label-rate 0 of 604        0 of 3,012      ────── 1 of 60        ────── 1 of 60",
      "error-rate: not shown safe yet",
    ]);
  });

  it("tells the phases around the ramp, and overrides in every one", () => {
    const [ramp] = rollout().looks;
    if (!ramp) throw new Error("the view has no look");
    const counts = { mirrored: 1200, shed: 3, errors: 0, compared: 1200, disagreed: 4 };
    const shadow = { counts: { ...counts, scoreDifferenceSum: 1, scoreDifferenceMaximum: 0.1 }, judged: [] };
    const override = {
      id: "o",
      rollout: "r",
      canaryShare: 9000,
      askedBy: "grace",
      reason: "load test",
      statement: null,
      at: new Date(0),
    };
    const at = (look: object) => ({
      ...rollout(),
      looks: [{ ...ramp, look: { ...ramp.look, reason: "fine", ...look } }],
      overrides: [override],
    });
    expect(renderRollout(at({ phase: "shadow", shadow }), plain)).toEqual([
      "shadow · 1,200 mirrored requests, 3 shed · look 14",
      "fine",
      "override: 90 % to the canary, by grace: load test",
    ]);
    expect(renderRollout(at({ phase: "observe" }), plain)[0]).toBe("promoted, the former champion kept warm · look 14");
    expect(renderRollout(at({}), plain).at(-1)).toBe("override: 90 % to the canary, by grace: load test");
  });

  it("tells when a healthy canary is typically promoted at the traffic so far, and what is wrong with the evidence", () => {
    const [ramp] = rollout().looks;
    if (!ramp) throw new Error("the view has no look");
    const after = (ms: number, changes: object = {}) => {
      const look = { ...ramp.look, ...changes };
      return renderRollout({ ...rollout(), looks: [{ ...ramp, at: new Date(START + ms), look }] }, plain).slice(6);
    };
    expect(after(600_000)[0]).toMatch(/^a healthy canary is typically promoted in .+ from this look$/);
    // No traffic, no promise.
    expect(after(600_000, { counts: [] })).toEqual([]);
    expect(after(600_000, { alarms: ["request-split"] })[0]).toBe("alarm: request-split, the evidence is not used");
    expect(renderRollout({ ...rollout(), status: "aborted" }, plain)).toHaveLength(6);
  });

  it("says so when nothing was looked at yet", () => {
    expect(renderRollout({ ...rollout(), looks: [] }, plain)).toEqual([
      "rollout flight-delay-r1 on flight-delay: no look yet, 3 steps",
    ]);
  });
});
