import * as Plot from "@observablehq/plot";
import type { GuardrailLook, RolloutLook, RolloutPlan } from "../../contracts/rollout.ts";
import { formatNumber, formatShare } from "./numbers.ts";
import { badge, html, renderPage, table, type Html } from "./page.ts";
import { COLORS, draw, figure, legend } from "./plots.ts";

/** A rollout as it was recorded: the plan, every look and what people did past them. */
export interface RecordedRollout {
  readonly id: string;
  readonly endpoint: string;
  readonly status: string;
  readonly outcome: string | null;
  readonly plan: RolloutPlan;
  readonly startedAt: Date;
  readonly looks: readonly RecordedLook[];
  /** One sentence each. */
  readonly overrides: readonly string[];
  /** Whether judging every look again gave what is recorded. */
  readonly matches: boolean;
}

interface RecordedLook {
  readonly number: number;
  readonly at: Date;
  readonly verdict: string;
  readonly look: RolloutLook;
}

/** A rollout from its first look to its last, as one self-contained HTML file. */
export function renderRolloutPage(rollout: RecordedRollout): string {
  const { looks, overrides } = rollout;
  const latest = looks.at(-1)?.look;
  const alarms = [...new Set(looks.flatMap(({ look }) => look.alarms ?? []))];
  return renderPage({
    title: "Rollout",
    subtitle: `${rollout.id} on ${rollout.endpoint}, started ${secondOf(rollout.startedAt)}`,
    verdict: VERDICTS[rollout.status] ?? null,
    summary: `${rollout.status}${rollout.outcome === null ? "" : `: ${rollout.outcome}`}. ${formatNumber(looks.length)} looks, each judged again from its own counts: ${rollout.matches ? "all match" : "not all match"}.`,
    sections: [
      ...(overrides.length === 0
        ? []
        : [{ title: "Past the evidence", body: html`${overrides.map((one) => html`<p>${one}</p>`)}` }]),
      {
        title: "Evidence",
        note: "e-values by look, on a logarithmic scale; dashed: their bounds. Harm at its bound rolls back; safety of every guardrail at its bound promotes. A bound of b is reached wrongly at most once in b rollouts, however often one looks.",
        body: html`${legend([
            { name: "harm", color: COLORS.bad },
            { name: "safety", color: COLORS.good },
          ])}
          <div class="plots">${(latest?.guardrails ?? []).map((one) => evidenceFigure(one, looks))}</div>`,
      },
      {
        title: "Traffic",
        note: `Requests are split as intended while the e-value against that stays below 1000${alarms.length === 0 ? "" : `; alarms: ${alarms.join(", ")}`}.`,
        body: html`<div class="plots">${trafficFigures(looks)}</div>`,
      },
      {
        title: "Looks",
        note: "The first, the last, and each that said something else than the one before.",
        body: lookTable(looks),
      },
    ],
  });
}

const VERDICTS: Readonly<Record<string, "pass" | "fail">> = { promoted: "pass", "rolled-back": "fail" };

const size = { width: 330, height: 220, marginLeft: 52, marginBottom: 38 } as const;

function evidenceFigure(latest: GuardrailLook, looks: readonly RecordedLook[]): Html {
  const points = looks.flatMap(({ number, look }) => {
    const found = look.guardrails.find(({ name }) => name === latest.name);
    return found ? [{ number, harm: floored(found.harmEvidence), safety: floored(found.safetyEvidence) }] : [];
  });
  const line = (y: "harm" | "safety", stroke: string) => [
    Plot.line(points, { x: "number", y, stroke, strokeWidth: 2 }),
    Plot.dot(points.slice(-1), { x: "number", y, fill: stroke, r: 3 }),
  ];
  const rate = (events: number, trials: number) => `${formatNumber(events)} of ${formatNumber(trials)}`;
  return figure(
    latest.name,
    draw({
      ...size,
      x: { label: "look", ticks: 5, tickFormat: "d" },
      y: logarithmic([latest.harmBound, latest.safetyBound, ...points.flatMap(({ harm, safety }) => [harm, safety])]),
      marks: [
        Plot.ruleY([latest.harmBound], { stroke: COLORS.bad, strokeDasharray: "3,4" }),
        Plot.ruleY([latest.safetyBound], { stroke: COLORS.good, strokeDasharray: "3,4" }),
        Plot.ruleY([1], { stroke: COLORS.faint }),
        ...line("harm", COLORS.bad),
        ...line("safety", COLORS.good),
      ],
    }),
    `canary ${rate(latest.canaryEvents, latest.canaryTrials)}, champion ${rate(latest.championEvents, latest.championTrials)}`,
  );
}

/** From power of ten to power of ten, with a handful of them marked. */
function logarithmic(values: readonly number[]) {
  const [low, high] = [Math.floor(Math.log10(Math.min(1, ...values))), Math.ceil(Math.log10(Math.max(...values)))];
  const step = Math.ceil((high - low) / 6);
  const ticks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
  const marked = ticks.filter((_, index) => index % step === 0);
  return {
    label: "e-value",
    type: "log",
    grid: true,
    domain: [10 ** low, 10 ** high],
    ticks: marked,
    tickFormat: "~e",
  } as const;
}

/** A logarithmic scale has no zero; nothing below is told apart. */
const floored = (evidence: number): number => Math.max(1e-6, evidence);

function trafficFigures(looks: readonly RecordedLook[]): Html[] {
  const points = looks.map(({ number, look }) => {
    const sum = (arm: "champion" | "canary") => look.counts.reduce((total, { requests }) => total + requests[arm], 0);
    return {
      number,
      share: 100 * (look.counts.at(-1)?.canaryShare ?? 0),
      champion: sum("champion"),
      canary: sum("canary"),
      split: floored(look.sampleRatioEvidence),
    };
  });
  const x = { label: "look", ticks: 5, tickFormat: "d" } as const;
  const arm = (y: "champion" | "canary", stroke: string) =>
    Plot.line(points, { x: "number", y, stroke, strokeWidth: 2 });
  return [
    figure(
      "share of the canary",
      draw({
        ...size,
        x,
        y: { label: "%", zero: true, grid: true },
        marks: [
          Plot.line(points, { x: "number", y: "share", stroke: COLORS.subject, strokeWidth: 2, curve: "step-after" }),
        ],
      }),
    ),
    figure(
      "requests counted",
      draw({
        ...size,
        x,
        y: { label: "requests", zero: true, grid: true, ticks: 5, tickFormat: "~s" },
        marks: [arm("champion", COLORS.reference), arm("canary", COLORS.subject)],
      }),
      "canary in blue, champion in brown",
    ),
    figure(
      "against the intended split",
      draw({
        ...size,
        x,
        y: logarithmic([1000, ...points.map(({ split }) => split)]),
        marks: [
          Plot.ruleY([1000], { stroke: COLORS.bad, strokeDasharray: "3,4" }),
          Plot.line(points, { x: "number", y: "split", stroke: COLORS.subject, strokeWidth: 2 }),
        ],
      }),
    ),
  ];
}

const secondOf = (instant: Date): string => `${instant.toISOString().slice(0, 19).replace("T", " ")} UTC`;

function lookTable(looks: readonly RecordedLook[]): Html {
  const says = ({ verdict, look }: RecordedLook) => `${verdict} ${look.phase ?? ""} ${look.step}`;
  const turns = looks.filter((one, index) => {
    const before = looks[index - 1];
    return !before || index === looks.length - 1 || says(one) !== says(before);
  });
  return table(
    ["look", "at", "phase", "share", "verdict", "why"],
    turns.map(({ number, at, verdict, look }) => [
      number,
      secondOf(at),
      look.phase ?? `step ${look.step + 1}`,
      formatShare(look.counts.at(-1)?.canaryShare ?? 0),
      verdict === "hold" ? verdict : badge(verdict === "promote" ? "pass" : "fail"),
      look.reason,
    ]),
  );
}
