import * as Plot from "@observablehq/plot";
import type { Candidate, OptimizationReport } from "../../contracts/optimization.ts";
import { paretoFront } from "../../core/quantization/pareto.ts";
import { html, type Html } from "./page.ts";
import { COLORS, draw, figure, intervalPlot, type IntervalRow } from "./plots.ts";

interface Point {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly chosen: boolean;
  readonly onFront: boolean;
}

/** Size against latency in each batch size, size against closeness to fp32, and the metrics that had a tolerance. */
export function candidatePlots(report: OptimizationReport): Html {
  const threads = report.candidates[0]?.latency[0]?.threads;
  const ways = (report.candidates[0]?.latency ?? []).filter((run) => run.threads === threads);
  const nearer = "The line joins the candidates that none beats in both; nearer to the origin is better.";
  return html`<div class="plots">
      ${ways.map(({ batch }) =>
        figure(
          `Size and latency at batch ${batch}`,
          frontPlot(report, `p50 at batch ${batch}, ms`, (candidate) => timeAt(candidate, batch)),
          nearer,
        ),
      )}
      ${figure(
        "Size and closeness",
        frontPlot(
          report,
          "decisions that differ from fp32's, %",
          ({ agreement }) => 100 * (1 - agreement.sameDecisionShare),
        ),
        nearer,
      )}
    </div>
    ${accuracyPlots(report)}`;
}

const timeAt = ({ latency }: Candidate, batch: number): number =>
  latency.find((run) => run.batch === batch)?.p50Ms ?? Number.NaN;

function frontPlot(report: OptimizationReport, label: string, value: (candidate: Candidate) => number): Html {
  const { candidates } = report;
  const front = paretoFront(candidates.map((candidate) => [candidate.sizeBytes, value(candidate)]));
  const points = candidates.map((candidate, at): Point => ({
    name: candidate.name,
    x: candidate.sizeBytes / 1024,
    y: value(candidate),
    chosen: candidate.name === report.chosen,
    onFront: front[at] ?? false,
  }));
  const line = points.filter(({ onFront }) => onFront).toSorted((one, other) => one.x - other.x);
  return draw({
    width: 420,
    height: 280,
    grid: true,
    marginLeft: 50,
    marginRight: 70,
    x: { label: "size, KiB", zero: true, nice: true },
    y: { label, zero: true, nice: true },
    marks: [
      Plot.line(line, { x: "x", y: "y", stroke: COLORS.good, strokeWidth: 1.5, strokeDasharray: "4,3" }),
      Plot.dot(points, {
        x: "x",
        y: "y",
        r: 5.5,
        fill: ({ chosen }: Point) => (chosen ? COLORS.subject : "white"),
        stroke: ({ chosen, onFront }: Point) => (chosen ? COLORS.subject : onFront ? COLORS.good : COLORS.faint),
        strokeWidth: 2,
      }),
      Plot.text(points, { x: "x", y: "y", text: "name", dy: -13 }),
    ],
  });
}

/** The difference of each metric that had a tolerance, with its interval, candidate by candidate. */
function accuracyPlots({ candidates }: OptimizationReport): Html[] {
  const overall = candidates.flatMap(({ name, tolerances }) =>
    tolerances
      .filter(({ slice }) => slice === "overall")
      .map(({ gate, observed, verdict }) => ({ name, metric: gate.metric, observed, verdict })),
  );
  return [...new Set(overall.map(({ metric }) => metric))].map((metric) => {
    const rows = overall.flatMap(({ name, metric: of, observed, verdict }): IntervalRow[] => {
      if (of !== metric || observed.kind !== "estimate") return [];
      const [low, high] = observed.interval;
      return [{ name, estimate: observed.estimate, low, high, notable: verdict !== "pass" }];
    });
    const plot = intervalPlot(rows, { label: `${metric}, difference to fp32`, line: 0 });
    return figure(`${metric} beside fp32`, plot, "With its interval on the same rows; red is outside the tolerance.");
  });
}

/** Layer by layer, in the order of the graph: what is left of the outputs when it alone is quantized. */
export function layerPlot({ layers, candidates, chosen }: OptimizationReport): Html {
  const fallbacks = candidates.find(({ name }) => name === chosen)?.fallbacks ?? [];
  const known = layers.filter(({ signalToNoiseDb }) => signalToNoiseDb !== null);
  const best = Math.max(0, ...known.map(({ signalToNoiseDb }) => signalToNoiseDb ?? 0));
  const bars = [
    ...layers.map(({ name, signalToNoiseDb }) => ({ name, db: signalToNoiseDb ?? best, color: COLORS.subject })),
    ...fallbacks
      .filter((name) => layers.every((layer) => layer.name !== name))
      .map((name) => ({ name, db: 0, color: COLORS.faint })),
  ];
  return draw({
    width: 960,
    height: 56 + bars.length * 17,
    marginLeft: 220,
    marginBottom: 36,
    x: { label: "signal-to-noise of the outputs, dB", grid: true, nice: true, zero: true },
    y: { label: null, domain: bars.map(({ name }) => name) },
    marks: [
      Plot.barX(bars, { y: "name", x: "db", fill: "color", inset: 1.5 }),
      Plot.text(
        bars.filter(({ color }) => color === COLORS.faint),
        { y: "name", x: 0, text: () => "left in float", textAnchor: "start", dx: 4, fill: COLORS.reference },
      ),
    ],
  });
}
