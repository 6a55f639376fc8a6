import { STAGES, type Stage, type StageStatus } from "../contracts/names.ts";
import type { LifecycleView } from "./reader.ts";
import { describeWaiting, renderRollout } from "./rollout-block.ts";
import {
  createPaint,
  fitText,
  formatDuration,
  padText,
  printable,
  textWidth,
  wrapText,
  type DrawingOptions,
  type Paint,
  type TextTone,
} from "./text.ts";

type StageRun = LifecycleView["stages"][number];

const MARKS: Record<StageStatus | "pending", readonly [mark: string, tone: TextTone]> = {
  passed: ["✔", "good"],
  failed: ["✖", "bad"],
  inconclusive: ["◆", "open"],
  waiting: ["◷", "open"],
  cancelled: ["⊘", "soft"],
  running: ["●", "accent"],
  pending: ["○", "soft"],
};
const SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";
const BAR_WIDTH = 16;
const NAME_WIDTH = Math.max(...STAGES.map((stage) => stage.length));
const DURATION_WIDTH = 11;

/**
 * A lifecycle as lines for a terminal: a header, a row a stage with mark, duration, verdict and the sentence that mattered, the
 * rollout's evidence while one runs, and how it stands. Pure, so that the same view always draws the same.
 */
export function renderLifecycle(view: LifecycleView, options: DrawingOptions): string[] {
  const paint = createPaint(options.color);
  const runs = latestRuns(view);
  const verdictWidth = Math.max(4, ...[...runs.values()].map((run) => run.verdict?.length ?? 0));
  const lines = [header(view, options, paint), ""];
  for (const stage of expectedStages(view)) {
    lines.push(stageRow({ stage, run: runs.get(stage), view, verdictWidth }, options, paint));
    if (stage === "deploy" && view.rollout) {
      lines.push(...renderRollout(view.rollout, options).map((line) => `    ${line}`));
    }
    if (stage === "deploy" && view.waiting) {
      lines.push(`    ${paint("open", fitText(describeWaiting(view.waiting), options.width - 6))}`);
    }
  }
  return [...lines, "", ...standing(view, options, paint)];
}

/** Stages this spec asks for, in their order. */
function expectedStages({ spec, stages }: LifecycleView): Stage[] {
  const left: Partial<Record<Stage, boolean>> = {
    approve: !spec.approval.required,
    deploy: spec.deployment === undefined,
    monitor: spec.monitoring === undefined || spec.deployment === undefined,
  };
  const ran = new Set(stages.map((run) => run.stage));
  return STAGES.filter((stage) => ran.has(stage) || left[stage] !== true);
}

/** The run of each stage that counts now: of the newest round, or one that an earlier round passed. */
function latestRuns({ stages, status }: LifecycleView): Map<Stage, StageRun> {
  const round = Math.max(1, ...stages.map((run) => run.round));
  const runs = new Map<Stage, StageRun>();
  for (const run of stages) {
    const again = run.round < round && run.status !== "passed" && status === "running";
    if (!again) runs.set(run.stage, asOfNow(run));
  }
  return runs;
}

/** What passed and counts no more is open again, whatever was recorded. */
const asOfNow = (run: StageRun): StageRun =>
  run.lapsed === null ? run : { ...run, status: "waiting", verdict: null, headline: `lapsed: ${run.lapsed}` };

function header(view: LifecycleView, { width, now }: DrawingOptions, paint: Paint): string {
  const round = Math.max(1, ...view.stages.map((run) => run.round));
  const parts = [
    view.status,
    formatDuration((view.finishedAt?.getTime() ?? now) - view.startedAt.getTime()),
    `started by ${printable(view.startedBy)}`,
    ...(round > 1 ? [`round ${round}`] : []),
  ];
  const id = fitText(printable(view.id), Math.floor(width / 2));
  return `${paint("strong", id)}${paint("soft", fitText(`  ${parts.join(" · ")}`, width - textWidth(id)))}`;
}

interface Row {
  readonly stage: Stage;
  readonly run: StageRun | undefined;
  readonly view: LifecycleView;
  readonly verdictWidth: number;
}

function stageRow({ stage, run, view, verdictWidth }: Row, { width, now }: DrawingOptions, paint: Paint): string {
  const [still, tone] = MARKS[run?.status ?? "pending"];
  const running = run?.status === "running";
  const mark = running ? (SPINNER[Math.floor(now / 100) % SPINNER.length] ?? still) : still;
  const name = padText(stage, NAME_WIDTH);
  if (!run) return `  ${paint(tone, `${mark} ${name}`)}`;
  const duration = padText(durationOf(run, now), DURATION_WIDTH, "right");
  const verdict = padText(run.verdict ?? "", verdictWidth);
  const space = width - (2 + 2 + NAME_WIDTH + 2 + DURATION_WIDTH + 2 + verdictWidth + 2);
  const said = running
    ? progressOf(view, space, paint)
    : paint(run.status === "passed" ? "soft" : tone, fitText(printable(run.headline ?? ""), space));
  const head = `  ${paint(tone, mark)} ${name}  ${paint("soft", duration)}  ${paint(tone, verdict)}`;
  return said === "" ? head.trimEnd() : `${head}  ${said}`;
}

/** A wait for a person has no end yet and goes on counting. */
function durationOf(run: StageRun, now: number): string {
  return formatDuration((run.finishedAt?.getTime() ?? now) - run.startedAt.getTime());
}

function progressOf({ progress }: LifecycleView, space: number, paint: Paint): string {
  if (!progress) return "";
  const share = Math.min(1, Math.max(0, progress.share));
  const full = Math.round(share * BAR_WIDTH);
  const percent = padText(`${Math.floor(share * 100)} %`, 5, "right");
  const bar = `${paint("accent", "━".repeat(full))}${paint("soft", "─".repeat(BAR_WIDTH - full))}`;
  const note = fitText(printable(progress.note), space - BAR_WIDTH - percent.length - 3);
  return space < BAR_WIDTH + 8 ? percent : `${bar} ${percent}  ${paint("soft", note)}`.trimEnd();
}

/** How it stands, and what can be done about it. */
function standing(view: LifecycleView, { width, now }: DrawingOptions, paint: Paint): string[] {
  const took = formatDuration((view.finishedAt?.getTime() ?? now) - view.startedAt.getTime());
  const outcome = view.outcome ? `: ${printable(view.outcome)}` : "";
  const say = (tone: TextTone, mark: string, text: string) =>
    wrapText(text, width - 4).map((line, index) => paint(tone, `${index === 0 ? mark : " "} ${line}`));
  if (view.status === "running") return [];
  if (view.status === "completed") return say("good", "✔", `completed in ${took}${outcome}`);
  if (view.status === "waiting") {
    return [
      ...say("open", "◷", `waits for the approval of somebody other than ${printable(view.startedBy)}`),
      `  ${command(view.id, "approve", " --as WHO --reason WHY")}`,
    ];
  }
  // One that broke can be run again; one that was judged cannot.
  const again = view.status === "failed" && view.failureCode !== null;
  return [
    ...say("bad", "✖", `${view.failureCode ?? view.status} after ${took}${outcome}`),
    ...(again ? [paint("soft", `  run it again, with the spec it has: ${command(view.id, "retry", "")}`)] : []),
  ];
}

const command = (id: string, verb: string, rest: string) => `modelwright ${verb} ${printable(id)}${rest}`;
