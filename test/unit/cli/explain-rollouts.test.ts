import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { explainRollouts } from "../../../cli/explain-rollouts.ts";
import type { RolloutView } from "../../../client/index.ts";
import { parseReference } from "../../../client/reference.ts";
import { rolloutPlanSchema } from "../../../contracts/rollout.ts";
import { judgeRollout } from "../../../core/rollout/judge.ts";
import { canonicalBytes, digestOf } from "../../../db/canonical.ts";
import { rollout } from "./views.ts";

const plan = rolloutPlanSchema.parse({ steps: [5000], guardrails: [{ name: "error-rate" }] });
const requests = { champion: 1000, canary: 1000 };
const none = { champion: 0, canary: 0 };
const counts = [{ epoch: 2, canaryShare: 0.5, requests, errors: none, slow: none, labelled: none, wrong: none }];
const look = judgeRollout({ plan, step: 0, counts, firstDeployment: false });
const judged = (changes: Partial<typeof look> = {}) => ({
  rollout: "r",
  number: 1,
  at: new Date(0),
  verdict: look.verdict,
  look: { ...look, ...changes },
});
const ended: RolloutView = {
  ...rollout(),
  id: "r",
  plan,
  planDigest: digestOf(plan),
  status: "promoted",
  outcome: look.reason,
  looks: [judged()],
};

const screen = { width: 100, paint: (_: string, text: string) => text };

async function explain(of: RolloutView, audited = of.planDigest, out?: string) {
  const body = { kind: "rollout-started", endpoint: of.endpoint, planDigest: audited };
  const event = { stream: "s", seq: 1, at: "", actor: "ada", subject: `rollout/${of.id}`, body };
  const records = {
    rollout: async () => of,
    rolloutsOf: async () => [],
    planDigest: async () => digestOf(of.plan),
    auditEvents: async () => [{ seq: 1, kind: body.kind, subject: event.subject, body: canonicalBytes(event) }],
  };
  return explainRollouts(records, screen, parseReference("rollout/r"), out);
}

describe("explaining a rollout", () => {
  it("tells for ever who went past the evidence, and that the promotion rests on that", async () => {
    const hold = judged({ ...judgeRollout({ plan, step: 0, counts: [], firstDeployment: false }) });
    const override = {
      id: "o",
      rollout: "r",
      canaryShare: null,
      askedBy: "grace",
      reason: "fixes an outage",
      statement: null,
      at: new Date(0),
    };
    const past = { ...ended, looks: [{ ...hold, verdict: "hold" as const }], overrides: [override] };
    const { lines, exitCode } = await explain(past);
    expect(exitCode).toBe(0);
    expect(lines.join("\n")).toContain("override: promotion, by grace: fixes an outage");
    expect(lines.join(" ")).toMatch(/promoted by override of grace: fixes an\s+outage; look 1, recomputed, says hold/);
    expect((await explain({ ...past, overrides: [{ ...override, canaryShare: 9000 }] })).exitCode).toBe(2);
  });

  it("says match, look by look, with exit code 0", async () => {
    const { document, lines, exitCode } = await explain(ended);
    expect({ document, exitCode }).toMatchObject({ exitCode: 0, document: { matches: true } });
    expect(lines[0]).toMatch(/^match {2}rollout\/r on .*: 1 looks judged again, 1 match, 0 do not$/);
    expect(lines.at(-1)).toBe("decision: match; promoted; look 1, recomputed, says promote");
  });

  it("says mismatch with both values and exit code 2", async () => {
    const [first] = look.guardrails;
    if (!first) throw new Error("a look has guardrails");
    const forged = { ...ended, looks: [judged({ guardrails: [{ ...first, canaryEvents: 7 }] })] };
    const { lines, exitCode } = await explain(forged);
    expect(exitCode).toBe(2);
    expect(lines.join("\n")).toContain("look 1: look.guardrails.0.canaryEvents is recorded as 7, recomputed 0");
    expect((await explain(ended, "b".repeat(64))).exitCode).toBe(2);
  });

  it("says that there is nothing to recompute where no rollout was started", async () => {
    const records = {
      rollout: async () => ended,
      rolloutsOf: async () => [],
      planDigest: async () => "",
      auditEvents: async () => [],
    };
    const { lines, exitCode } = await explainRollouts(records, screen, parseReference("lifecycle/l"));
    expect({ lines, exitCode }).toEqual({
      exitCode: 0,
      lines: ["lifecycle/l: no rollout was started for it, so there is nothing to recompute"],
    });
  });

  it("draws its looks into one file that loads nothing, when told where", async () => {
    const directory = await mkdtemp(join(tmpdir(), "explain-rollouts-"));
    const { document } = await explain(ended, undefined, directory);
    expect(document).toMatchObject({ reports: [join(directory, "rollout-r.html")] });
    const page = await readFile(join(directory, "rollout-r.html"), "utf8");
    for (const part of ["error-rate", "canary 0 of 1,000", "<svg", "all match"]) expect(page).toContain(part);
    expect(page).not.toMatch(/<(script|link|img|iframe)\b/);
    await rm(directory, { recursive: true });
  });
});
