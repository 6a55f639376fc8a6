import type { RolloutPlan } from "../../contracts/rollout.ts";
import type { Traffic } from "../../contracts/traffic.ts";
import type { Expectation, Scenario } from "./plan-duration.ts";
import type { Remedy } from "./plan-remedies.ts";

/** `a healthy canary needs 3.2 h at 5 requests/s`, or never concludes. */
export function describeNeed({ verdict, typicalMs }: Expectation, traffic: Traffic): string {
  const at = `at ${short(traffic.requestsPerSecond)} requests/s`;
  if (verdict === "promote" && typicalMs !== null) return `a healthy canary typically needs ${spell(typicalMs)} ${at}`;
  if (verdict === "rollback") return `a canary as good as the champion would be rolled back ${at}`;
  return `a healthy canary is never promoted ${at}`;
}

/** What would help, each on its own: `deadlineMs 90000 instead of 60000, or ...`. */
export function describeRemedies(remedies: readonly Remedy[]): string {
  if (remedies.length === 0) return "no single change of it helps; change several";
  return `one of these helps: ${remedies.map(describeRemedy).join(", or ")}`;
}

export function describeRemedy({ change, from, to }: Remedy): string {
  if (change === "traffic") return `${shown(to)} requests/s instead of ${shown(from)}`;
  const time = change === "deadlineMs" && typeof to === "number" ? ` (${spell(to)})` : "";
  return `${change} ${shown(to)}${time} instead of ${shown(from)}`;
}

export function describeScenario(scenario: Scenario): string {
  return scenario.canary === "healthy" ? "healthy" : `${scenario.ratio}x ${scenario.guardrail}`;
}

const shown = (value: number | readonly number[]): string =>
  typeof value === "number" ? String(Number(value.toPrecision(6))) : `[${value.join(", ")}]`;

const short = (value: number): string => String(Number(value.toPrecision(3)));

const UNITS = [
  ["days", 24 * 3600 * 1000],
  ["h", 3600 * 1000],
  ["min", 60 * 1000],
  ["s", 1000],
] as const;

/** One number with the largest unit of which there are at least two: `36 h`, `2.5 days`. */
function spell(milliseconds: number): string {
  const [name, size] = UNITS.find(([, unit]) => milliseconds >= 2 * unit) ?? ["s", 1000];
  return `${short(milliseconds / size)} ${name}`;
}

export const describeDeadline = ({ deadlineMs }: RolloutPlan): string => `${spell(deadlineMs)} (deadlineMs)`;
