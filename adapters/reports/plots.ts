import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { EvaluationCurves } from "../../contracts/evaluation.ts";
import { html, type Html } from "./page.ts";

export const COLORS = {
  subject: "#2457c5",
  reference: "#b06a00",
  faint: "#9aa5b1",
  bad: "#b3261e",
  good: "#11734b",
} as const;

/** Draws a plot as SVG text; the library wants a document, and there is no browser here. */
export function draw(options: Plot.PlotOptions): Html {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const drawn = Plot.plot({ ...options, document, style: { fontFamily: "inherit", fontSize: "11px" } });
  return { html: drawn.outerHTML };
}

export const figure = (title: string, plot: Html, caption = ""): Html =>
  html`<figure>
    <h3>${title}</h3>
    ${plot}
    <figcaption>${caption}</figcaption>
  </figure>`;

export const legend = (entries: readonly { readonly name: string; readonly color: string }[]): Html =>
  html`<p class="legend">
    ${entries.map(({ name, color }) => html`<span><i style="background:${color}"></i>${name}</span>`)}
  </p>`;

const square = { width: 330, height: 310, marginLeft: 44, marginBottom: 38, grid: true } as const;
const unit = { domain: [0, 1], ticks: 5 };

/** One or two curves of the same kind; the champion's is drawn first and thinner. */
function curves(
  subject: readonly (readonly [number, number])[],
  reference: readonly (readonly [number, number])[] | null,
): Plot.Markish[] {
  return [
    reference && Plot.line(reference, { stroke: COLORS.reference, strokeWidth: 1.5 }),
    Plot.line(subject, { stroke: COLORS.subject, strokeWidth: 2.2 }),
  ];
}

export function rocPlot(subject: EvaluationCurves, champion: EvaluationCurves | null): Html {
  return draw({
    ...square,
    x: { ...unit, label: "false positive rate" },
    y: { ...unit, label: "true positive rate" },
    marks: [
      Plot.line(
        [
          [0, 0],
          [1, 1],
        ],
        { stroke: COLORS.faint, strokeDasharray: "3,4" },
      ),
      ...curves(subject.roc, champion?.roc ?? null),
    ],
  });
}

export function precisionRecallPlot(
  subject: EvaluationCurves,
  champion: EvaluationCurves | null,
  positiveShare: number,
): Html {
  return draw({
    ...square,
    x: { ...unit, label: "recall" },
    y: { ...unit, label: "precision" },
    marks: [
      Plot.ruleY([positiveShare], { stroke: COLORS.faint, strokeDasharray: "3,4" }),
      ...curves(subject.precisionRecall, champion?.precisionRecall ?? null),
    ],
  });
}

/** Observed share of positives over mean score by bin: the diagonal is perfect calibration. */
export function reliabilityPlot(subject: EvaluationCurves, champion: EvaluationCurves | null): Html {
  const line = (bins: EvaluationCurves["reliability"], stroke: string, strokeWidth: number) =>
    Plot.line(bins, { x: "meanScore", y: "positiveShare", stroke, strokeWidth });
  const largest = Math.max(
    0.1,
    ...[...subject.reliability, ...(champion?.reliability ?? [])].flatMap((bin) => [bin.meanScore, bin.high]),
  );
  const domain = [0, Math.min(1, Math.ceil(largest * 10) / 10)];
  return draw({
    ...square,
    x: { domain, ticks: 5, label: "mean score of the bin" },
    y: { domain, ticks: 5, label: "share of positives" },
    marks: [
      Plot.line(
        [
          [0, 0],
          [domain[1] ?? 1, domain[1] ?? 1],
        ],
        { stroke: COLORS.faint, strokeDasharray: "3,4" },
      ),
      champion && line(champion.reliability, COLORS.reference, 1.5),
      Plot.ruleX(subject.reliability, {
        x: "meanScore",
        y1: "low",
        y2: "high",
        stroke: COLORS.subject,
        strokeOpacity: 0.5,
      }),
      line(subject.reliability, COLORS.subject, 2),
      Plot.dot(subject.reliability, { x: "meanScore", y: "positiveShare", fill: COLORS.subject, r: 3 }),
    ],
  });
}

export interface IntervalRow {
  readonly name: string;
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
  /** Drawn in the warning colour. */
  readonly notable?: boolean;
}

/** One row a name: a point with its interval, against a dashed line. */
export function intervalPlot(
  rows: readonly IntervalRow[],
  options: { readonly label: string; readonly line: number | null },
): Html {
  const color = (row: IntervalRow) => (row.notable ? COLORS.bad : COLORS.subject);
  return draw({
    width: 960,
    height: 56 + rows.length * 19,
    marginLeft: 150,
    marginBottom: 36,
    x: { label: options.label, grid: true, nice: true },
    y: { label: null, domain: rows.map((row) => row.name) },
    marks: [
      options.line === null ? null : Plot.ruleX([options.line], { stroke: COLORS.faint, strokeDasharray: "3,4" }),
      Plot.ruleY(rows, { y: "name", x1: "low", x2: "high", stroke: color, strokeWidth: 2, strokeOpacity: 0.6 }),
      Plot.dot(rows, { y: "name", x: "estimate", fill: color, r: 3.4 }),
    ],
  });
}
