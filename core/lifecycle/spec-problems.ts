import { SCORE_COLUMN } from "../../contracts/drift.ts";
import type { Gate } from "../../contracts/evaluation.ts";
import { Failure } from "../../contracts/failures.ts";
import type { LifecycleSpec } from "../../contracts/spec.ts";
import { metrics } from "../evaluation/metrics.ts";
import { cronProblem } from "./cron.ts";

/** What keeps a spec of the right shape from ever coming to its end. */
interface SpecProblem {
  readonly path: string;
  readonly message: string;
}

/**
 * Problems that a spec shows before anything runs, though each of its values may stand alone: columns that nothing selects, gates that
 * no model can keep, a schedule that is none. Each would end a run only after its training, or leave it unwatched.
 * Apart from the schema, because recorded specs are read by that one: they stay readable whatever is asked of new ones.
 */
function findSpecProblems(spec: LifecycleSpec): SpecProblem[] {
  return [...columnProblems(spec), ...gateProblems(spec), ...monitoringProblems(spec)];
}

/** @throws SPEC_INVALID with every problem */
export function requireSound(spec: LifecycleSpec, path: string): void {
  const problems = findSpecProblems(spec).map((problem) => `  ${problem.path}: ${problem.message}`);
  if (problems.length > 0) throw new Failure("SPEC_INVALID", { path, problems: problems.join("\n") });
}

function columnProblems({ data, evaluation, monitoring }: LifecycleSpec): SpecProblem[] {
  const selected = Object.keys(data.select);
  const watched = monitoring?.drift.columns ?? [];
  return [
    ...Object.keys(data.checks.ranges).map((column) => ({ path: `data.checks.ranges.${column}`, column })),
    ...evaluation.slices.map((column, index) => ({ path: `evaluation.slices.${index}`, column })),
    ...watched.map((column, index) => ({ path: `monitoring.drift.columns.${index}`, column })),
  ]
    .filter(({ column }) => !selected.includes(column) && !(column === SCORE_COLUMN && watched.includes(column)))
    .map(({ path, column }) => ({
      path,
      message: `"${column}" is not in data.select, which has ${selected.join(", ")}`,
    }));
}

function gateProblems({ evaluation: { gates, slices } }: LifecycleSpec): SpecProblem[] {
  return gates.flatMap((gate, index) => {
    const path = `evaluation.gates.${index}`;
    const problem = boundProblem(gate);
    return [
      ...(problem === null ? [] : [{ path, message: problem }]),
      ...(gate.rows === "every-slice" && slices.length === 0
        ? [{ path, message: "rows: every-slice needs evaluation.slices to name columns" }]
        : []),
    ];
  });
}

function boundProblem({ metric, atLeast, atMost }: Gate): string | null {
  const [least, greatest] = metrics[metric].range;
  const bound = atLeast ?? atMost ?? least;
  if (bound >= least && bound <= greatest) return null;
  return `${metric} lies between ${least} and ${Number(greatest.toPrecision(3))}, found ${bound}`;
}

function monitoringProblems({ monitoring, deployment }: LifecycleSpec): SpecProblem[] {
  if (!monitoring) return [];
  const schedule = cronProblem(monitoring.schedule);
  return [
    ...(schedule === null
      ? []
      : [
          {
            path: "monitoring.schedule",
            message: `${schedule}; write minute, hour, day of month, month and day of week, as "0 3 * * *" for every night at three (UTC)`,
          },
        ]),
    ...(deployment
      ? []
      : [{ path: "monitoring", message: "only what is deployed is watched; add deployment.endpoint" }]),
  ];
}
