import type { GuardrailLook } from "../contracts/rollout.ts";
import { expectedPromotionMs } from "../core/rollout/expected-end.ts";
import type { WaitingRollout } from "../db/queries/rollout-turn.ts";
import type { RolloutView } from "./reader.ts";
import {
  createPaint,
  fitText,
  formatBasisPoints,
  formatCount,
  formatDuration,
  padText,
  printable,
  type DrawingOptions,
  type Paint,
} from "./text.ts";

const NAME_WIDTH = 17;
const COUNT_WIDTH = 16;
const BAR_WIDTH = 6;
const EVIDENCE_WIDTH = BAR_WIDTH + 16;

/** Somebody went past the evidence; told wherever the rollout is. */
export function describeOverride({ canaryShare, askedBy, reason }: RolloutView["overrides"][number]): string {
  const what = canaryShare === null ? "promotion" : `${formatBasisPoints(canaryShare)} to the canary`;
  return `override: ${what}, by ${printable(askedBy)}: ${printable(reason)}`;
}

/** Another rollout has its endpoint. */
export function describeWaiting({ rolloutId, endpoint, behind }: WaitingRollout): string {
  const next = behind.length === 0 ? "and is next" : `behind ${behind.map(printable).join(", ")}`;
  return `rollout ${printable(rolloutId)} waits for ${endpoint}, ${next}`;
}

/**
 * A rollout's newest look: the step and its share, requests of both arms, and each guardrail's evidence against its bounds. Evidence
 * multiplies, so the bars grow with its logarithm: a full harm bar rolls back, full safety bars everywhere promote.
 */
export function renderRollout({ plan, looks, ...rollout }: RolloutView, { width, color }: DrawingOptions): string[] {
  const paint = createPaint(color);
  const latest = looks.at(-1);
  const fit = (text: string) => fitText(text, width - 6);
  const to = rollout.championVersion === null ? "nothing to compare with" : `${plan.steps.length} steps`;
  if (!latest)
    return [paint("soft", fit(`rollout ${printable(rollout.id)} on ${rollout.endpoint}: no look yet, ${to}`))];
  const { look } = latest;
  const overrides = rollout.overrides.map((one) => paint("open", fit(describeOverride(one))));
  if (look.phase !== undefined) {
    const phase = look.shadow
      ? `shadow · ${formatCount(look.shadow.counts.mirrored)} mirrored requests, ${formatCount(look.shadow.counts.shed)} shed`
      : "promoted, the former champion kept warm";
    return [
      fit(`${phase} · look ${formatCount(latest.number)}`),
      paint("soft", fit(printable(look.reason))),
      ...overrides,
    ];
  }
  const share = plan.steps[look.step];
  const requests = { champion: 0, canary: 0 };
  for (const { requests: seen } of look.counts) {
    requests.champion += seen.champion;
    requests.canary += seen.canary;
  }
  const parts = [
    `step ${look.step + 1} of ${plan.steps.length}`,
    ...(share === undefined ? [] : [`${formatBasisPoints(share)} to the canary`]),
    `${formatCount(requests.canary)} canary and ${formatCount(requests.champion)} champion requests`,
    `look ${formatCount(latest.number)}`,
  ];
  return [
    fit(parts.join(" · ")),
    paint("soft", fit(head())),
    ...look.guardrails.map((guardrail) => guardrailRow(guardrail, { width: width - 6, paint })),
    paint("soft", fit(printable(look.reason))),
    ...(look.alarms ?? []).map((alarm) => paint("bad", fit(`alarm: ${alarm}, the evidence is not used`))),
    ...expectation({ plan, latest, startedAt: rollout.startedAt, isRunning: rollout.status === "running" }).map(
      (line) => paint("soft", fit(line)),
    ),
    ...overrides,
  ];
}

interface Expected {
  readonly plan: RolloutView["plan"];
  readonly latest: RolloutView["looks"][number];
  readonly startedAt: Date;
  readonly isRunning: boolean;
}

/** When a healthy canary typically is promoted, at the traffic that was counted so far. */
function expectation({ plan, latest, startedAt, isRunning }: Expected): string[] {
  if (!isRunning) return [];
  const elapsedMs = latest.at.getTime() - startedAt.getTime();
  const expectedMs = expectedPromotionMs(plan, latest.look, elapsedMs);
  if (expectedMs === null) return [];
  const leftMs = expectedMs - elapsedMs;
  return [
    leftMs > 0
      ? `a healthy canary is typically promoted in ${formatDuration(leftMs)} from this look`
      : `a healthy canary is typically promoted after ${formatDuration(expectedMs)}; this one has taken longer`,
  ];
}

function head(): string {
  const columns = [
    padText("guardrail", NAME_WIDTH),
    padText("canary", COUNT_WIDTH),
    padText("champion", COUNT_WIDTH),
    padText("harm, of bound", EVIDENCE_WIDTH),
    "safety, of bound",
  ];
  return columns.join("");
}

function guardrailRow(look: GuardrailLook, { width, paint }: { width: number; paint: Paint }): string {
  const counts = [
    padText(look.name, NAME_WIDTH),
    padText(`${formatCount(look.canaryEvents)} of ${formatCount(look.canaryTrials)}`, COUNT_WIDTH),
    padText(`${formatCount(look.championEvents)} of ${formatCount(look.championTrials)}`, COUNT_WIDTH),
  ].join("");
  // Too narrow for the evidence in whole: the counts alone, rather than half a bar.
  if (width < NAME_WIDTH + 2 * COUNT_WIDTH + 2 * EVIDENCE_WIDTH) return fitText(counts, width);
  const harm = evidence(look.harmEvidence, look.harmBound, (text) => paint("bad", text), paint);
  const safety = evidence(look.safetyEvidence, look.safetyBound, (text) => paint("good", text), paint);
  return counts + harm + safety.trimEnd();
}

function evidence(value: number, bound: number, tone: (text: string) => string, paint: Paint): string {
  const share = bound > 1 ? Math.log(Math.max(1, value)) / Math.log(bound) : Number(value >= bound);
  const full = Math.min(BAR_WIDTH, Math.floor(share * BAR_WIDTH));
  const numbers = padText(`${short(value)} of ${short(bound)}`, EVIDENCE_WIDTH - BAR_WIDTH - 1);
  return `${tone("━".repeat(full))}${paint("soft", "─".repeat(BAR_WIDTH - full))} ${numbers}`;
}

/** Three significant digits; very large and very small evidence as a power of ten. */
function short(value: number): string {
  if (value !== 0 && (value < 0.01 || value >= 1e5)) return value.toExponential(0);
  return String(Number(value.toPrecision(3)));
}
