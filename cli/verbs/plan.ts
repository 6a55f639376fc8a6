import type { Command } from "commander";
import { formatShare } from "../../adapters/reports/numbers.ts";
import { loadSpec } from "../../client/spec.ts";
import { formatCount, formatDuration, wrapText } from "../../client/text.ts";
import { Failure } from "../../contracts/failures.ts";
import { EXIT_CODES, GUARDRAILS, type Guardrail } from "../../contracts/names.ts";
import { trafficSchema, type ObservedTraffic, type Traffic } from "../../contracts/traffic.ts";
import { guardrailRule } from "../../core/rollout/guardrails.ts";
import { concludes, planDuration, type Expectation } from "../../core/rollout/plan-duration.ts";
import { planRemedies } from "../../core/rollout/plan-remedies.ts";
import { describeDeadline, describeNeed, describeRemedy, describeScenario } from "../../core/rollout/plan-sentences.ts";
import { latencyFloor, planTraffic, type PlannedTraffic } from "../../core/rollout/planned-traffic.ts";
import type { RolloutPlan } from "../../contracts/rollout.ts";
import type { Answer } from "../answer.ts";
import type { Screen } from "../screen.ts";
import { renderTable, toneOf, type TableColumn } from "../table.ts";
import { answering, checked, defineVerb, parseNumber, withStack } from "../verb.ts";

const RATED: readonly string[] = GUARDRAILS.filter((name) => guardrailRule(name).baseRate !== null);

interface PlanOptions {
  readonly traffic?: number;
  readonly baseRate?: readonly string[];
  readonly labelled?: number;
  readonly labelDelay?: number;
}

/** `plan SPEC`: how long its rollout takes to a verdict, and whether it can come to one at all. */
export function addPlan(program: Command): void {
  defineVerb(program, {
    usage: "plan <spec>",
    summary: "Tell how long a spec's rollout takes to a verdict, and what would help when it cannot conclude",
    details:
      "Traffic and the champion's rates are read from the log of the spec's endpoint on the running stack, as far back as the deadline is long; with --traffic no stack is asked. What neither tells is assumed, and marked so. Exit code: 0 when a healthy canary is typically promoted before the deadline, 2 when not.",
    examples: [
      "plan lifecycle.yaml",
      "plan lifecycle.yaml --traffic 12 --base-rate error-rate=0.001 wrong-label-rate=0.18 --labelled 0.5 --label-delay 3600000",
    ],
  })
    .option("--traffic <requests>", "requests a second to the endpoint, all arms together", parseNumber)
    .option("--base-rate <name=share...>", `the champion's rate of a guardrail's events: ${RATED.join(", ")}`)
    .option("--labelled <share>", "share of requests whose label arrives", parseNumber)
    .option("--label-delay <ms>", "how long a label takes", parseNumber)
    .action(
      answering(async (screen, path: string, options: PlanOptions) => {
        const { deployment } = await loadSpec(path);
        if (!deployment) {
          const problems = "it has no deployment, so nothing is rolled out; add deployment.endpoint";
          throw new Failure("INPUT_INVALID", { where: path, problems });
        }
        const { endpoint, rollout: plan } = deployment;
        const given = parseTraffic(options);
        const observed = given.requestsPerSecond === undefined ? await observe(endpoint, plan) : null;
        return answer(screen, { endpoint, plan, observed, planned: planTraffic(plan, observed, given) });
      }),
    );
}

function observe(endpoint: string, plan: RolloutPlan): Promise<ObservedTraffic> {
  return withStack(async (modelwright) => {
    const options = { windowMs: plan.deadlineMs, latencyFloorMs: latencyFloor(plan) };
    const observed = await modelwright.traffic(endpoint, options);
    if (observed.requests > 0) return observed;
    const problems = "its log has no request to plan by; say how many will come with --traffic REQUESTS_PER_SECOND";
    throw new Failure("INPUT_INVALID", { where: `endpoint ${endpoint}`, problems });
  });
}

/** @throws INPUT_INVALID */
function parseTraffic({ traffic, baseRate = [], labelled, labelDelay }: PlanOptions): Partial<Traffic> {
  const { shape } = trafficSchema;
  return {
    ...(traffic !== undefined && { requestsPerSecond: checked(shape.requestsPerSecond, traffic, "--traffic") }),
    ...(labelled !== undefined && { labelledShare: checked(shape.labelledShare, labelled, "--labelled") }),
    ...(labelDelay !== undefined && { labelDelayMs: checked(shape.labelDelayMs, labelDelay, "--label-delay") }),
    ...Object.fromEntries(baseRate.map(parseBaseRate)),
  };
}

function parseBaseRate(text: string): [keyof Traffic, number] {
  const [name = "", value = ""] = text.split("=");
  const rate = RATED.includes(name) ? guardrailRule(name as Guardrail).baseRate : null;
  if (rate === null) {
    const problems = `"${text}" is not NAME=SHARE with NAME one of ${RATED.join(", ")}`;
    throw new Failure("INPUT_INVALID", { where: "--base-rate", problems });
  }
  return [rate, checked(trafficSchema.shape[rate], value.trim() === "" ? Number.NaN : Number(value), "--base-rate")];
}

interface Planned {
  readonly endpoint: string;
  readonly plan: RolloutPlan;
  readonly observed: ObservedTraffic | null;
  readonly planned: PlannedTraffic;
}

function answer(screen: Screen, { endpoint, plan, observed, planned: { traffic, sources } }: Planned): Answer {
  const expectations = planDuration(plan, traffic);
  const [healthy] = expectations;
  const winnable = healthy !== undefined && concludes(plan, healthy);
  const remedies = winnable ? [] : planRemedies(plan, traffic);
  const head = winnable ? "pass" : "fail";
  const need = healthy ? describeNeed(healthy, traffic) : "";
  return {
    document: {
      concludes: winnable,
      endpoint,
      deadlineMs: plan.deadlineMs,
      traffic,
      sources,
      observed,
      expectations,
      remedies,
    },
    lines: [
      ...wrapText(`${head}  ${need}, allowed ${describeDeadline(plan)}`, screen.width).map((line, index) =>
        index === 0 ? line.replace(head, screen.paint(toneOf(head) ?? "strong", head)) : line,
      ),
      "",
      ...renderTable(screen, columns(plan), expectations),
      "",
      ...assumptions(traffic, sources).flatMap((line) => wrapText(line, screen.width)),
      ...(remedies.length === 0 ? [] : ["", "One of these would let it conclude:"]),
      ...remedies.map((remedy) => `  ${describeRemedy(remedy)}`),
    ],
    exitCode: winnable ? EXIT_CODES.pass : EXIT_CODES.gateFailed,
  };
}

const columns = ({ deadlineMs }: RolloutPlan): TableColumn<Expectation>[] => [
  { title: "canary", value: ({ scenario }) => describeScenario(scenario) },
  { title: "ends as", value: ({ verdict }) => verdict },
  { title: "typically after", value: ({ typicalMs }) => duration(typicalMs), align: "right" },
  { title: "nine in ten by", value: ({ lateMs }) => (lateMs === null ? "" : duration(lateMs)), align: "right" },
  {
    title: "",
    value: ({ typicalMs, lateMs }) => {
      if (typicalMs === null || typicalMs > deadlineMs) return "not before the deadline";
      if (lateMs === null) return "or the other way round";
      return lateMs > deadlineMs ? "tight" : "";
    },
  },
];

const duration = (milliseconds: number | null): string =>
  milliseconds === null ? "never" : formatDuration(milliseconds);

function assumptions(traffic: Traffic, sources: PlannedTraffic["sources"]): string[] {
  const rows: [string, string, keyof Traffic][] = [
    ["requests a second", formatCount(Number(traffic.requestsPerSecond.toPrecision(3))), "requestsPerSecond"],
    ["errors", formatShare(traffic.errorShare), "errorShare"],
    ["slow", formatShare(traffic.slowShare), "slowShare"],
    ["wrong", formatShare(traffic.wrongShare), "wrongShare"],
    ["labelled", formatShare(traffic.labelledShare), "labelledShare"],
    ["label after", formatDuration(traffic.labelDelayMs), "labelDelayMs"],
  ];
  return [rows.map(([name, value, field]) => `${name} ${value} (${sources[field]})`).join(" · ")];
}
