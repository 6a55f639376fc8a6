import { BASIS_POINTS } from "../../contracts/names.ts";
import type { GuardrailSettings, RolloutPlan } from "../../contracts/rollout.ts";
import type { Traffic } from "../../contracts/traffic.ts";
import { concludes, expectHealthy } from "./plan-duration.ts";

/** One change that alone makes a plan conclude before its deadline. */
export interface Remedy {
  /** What to change, as it is called in the plan; `traffic` is not in it. */
  readonly change:
    | "traffic"
    | "deadlineMs"
    | "steps"
    | "minimumRequestsPerStep"
    | `${string}.${"atMost" | "maximumRatio"}`;
  readonly from: number | readonly number[];
  readonly to: number | readonly number[];
}

/** How far a change may go: [0, 1] is from the plan as it is to the widest that is still a plan. */
interface Lever {
  readonly change: Remedy["change"];
  readonly from: Remedy["from"];
  /** Value at a setting, and the plan and traffic with it. */
  readonly at: (setting: number) => {
    readonly to: Remedy["to"];
    readonly plan: RolloutPlan;
    readonly traffic: Traffic;
  };
}

/** Ratios are learnt fastest with both arms alike. */
const MOST_INFORMATIVE_SHARE = BASIS_POINTS / 2;
const LONGEST_DEADLINE_MS = 30 * 24 * 3600 * 1000;
const MOST_TRAFFIC = 1e6;
const WIDEST_RATIO = 10;
/** Of the bisection: a setting is found to one part in four thousand. */
const HALVINGS = 12;

/**
 * The smallest change of each kind after which a healthy canary is typically promoted before the deadline, every other setting left
 * alone; a kind that does not help within its limits is left out. The deadline is moved to what nine in ten rollouts need.
 * Limits: shares to a half (or as planned), 30 days, ratios to 10, a million requests a second.
 */
export function planRemedies(plan: RolloutPlan, traffic: Traffic): Remedy[] {
  const changes = leversOf(plan, traffic).flatMap((lever) => {
    const to = leastChange(lever);
    return to === null ? [] : [{ change: lever.change, from: lever.from, to }];
  });
  const { lateMs, typicalMs } = expectHealthy(plan, traffic);
  const neededMs = lateMs ?? typicalMs;
  if (neededMs === null || neededMs > LONGEST_DEADLINE_MS) return changes;
  return [{ change: "deadlineMs", from: plan.deadlineMs, to: neededMs }, ...changes];
}

function leversOf(plan: RolloutPlan, traffic: Traffic): Lever[] {
  const most = Math.max(MOST_INFORMATIVE_SHARE, plan.steps.at(-1) ?? 0);
  const least = plan.steps[0] ?? most;
  return [
    {
      change: "steps",
      from: plan.steps,
      at: (setting) => {
        const factor = (most / least) ** setting;
        // Steps that reach the largest share are one step, so the ramp gets steeper and shorter.
        const to = [...new Set(plan.steps.map((share) => Math.min(most, Math.round(share * factor))))];
        return { to, plan: { ...plan, steps: to }, traffic };
      },
    },
    ...plan.guardrails.flatMap((settings) => marginLever(plan, settings, traffic)),
    {
      change: "minimumRequestsPerStep",
      from: plan.minimumRequestsPerStep,
      at: (setting) => {
        const to = Math.max(1, Math.floor(plan.minimumRequestsPerStep ** (1 - setting)));
        return { to, plan: { ...plan, minimumRequestsPerStep: to }, traffic };
      },
    },
    {
      change: "traffic",
      from: traffic.requestsPerSecond,
      at: (setting) => {
        const start = Math.max(1e-6, traffic.requestsPerSecond);
        const to = roundedUp(start * (MOST_TRAFFIC / start) ** setting);
        return { to, plan, traffic: { ...traffic, requestsPerSecond: to } };
      },
    },
  ];
}

function marginLever(plan: RolloutPlan, settings: GuardrailSettings, traffic: Traffic): Lever[] {
  const margin = settings.name === "error-rate" ? "atMost" : "maximumRatio";
  const from = settings.name === "error-rate" ? settings.atMost : settings.maximumRatio;
  const widest = settings.name === "error-rate" ? 1 : Math.max(WIDEST_RATIO, from);
  // A level that is allowed to be 0 cannot be widened by a factor.
  if (from <= 0) return [];
  const at = (setting: number) => {
    const to = Math.min(widest, roundedUp(from * (widest / from) ** setting));
    const guardrails = plan.guardrails.map((one) => (one === settings ? { ...one, [margin]: to } : one));
    return { to, plan: { ...plan, guardrails }, traffic };
  };
  return [{ change: `${settings.name}.${margin}`, from, at }];
}

function leastChange({ at }: Lever): Remedy["to"] | null {
  const helps = (setting: number) => {
    const { plan, traffic } = at(setting);
    return concludes(plan, expectHealthy(plan, traffic));
  };
  if (!helps(1)) return null;
  let [low, high] = [0, 1];
  for (let halving = 0; halving < HALVINGS; halving += 1) {
    const middle = (low + high) / 2;
    if (helps(middle)) high = middle;
    else low = middle;
  }
  return at(high).to;
}

/** To three significant digits, upwards: a number to type. */
function roundedUp(value: number): number {
  const unit = 10 ** (Math.floor(Math.log10(value)) - 2);
  return Number((Math.ceil(value / unit - 1e-9) * unit).toPrecision(3));
}
