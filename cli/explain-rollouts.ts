import type { Reader, RolloutView } from "../client/index.ts";
import { describeOverride } from "../client/rollout-block.ts";
import type { Reference } from "../client/reference.ts";
import { formatCount, printable, wrapText } from "../client/text.ts";
import { EXIT_CODES } from "../contracts/names.ts";
import {
  recomputeRollout,
  type Difference,
  type Recomputation,
  type RecomputedLook,
} from "../core/rollout/recompute.ts";
import type { Answer } from "./answer.ts";
import { shownPath, writeReport } from "./files.ts";
import { instantText } from "./instant-text.ts";
import type { Screen } from "./screen.ts";
import { renderTable, type TableColumn } from "./table.ts";

type Records = Pick<Reader, "rollout" | "rolloutsOf" | "planDigest" | "auditEvents">;

interface Explained {
  readonly rollout: RolloutView;
  readonly recomputation: Recomputation;
}

/** `explain lifecycle/ID` and `explain rollout/ID`: every recorded look judged again from its own counts, here and now. */
export async function explainRollouts(
  records: Records,
  screen: Pick<Screen, "paint" | "width">,
  { kind, name, text }: Reference,
  /** Where the pages of the rollouts go. */
  out?: string,
): Promise<Answer> {
  const rollouts = kind === "rollout" ? [await records.rollout(name)] : await records.rolloutsOf(name);
  const explained = await Promise.all(rollouts.map((rollout) => recompute(records, rollout)));
  const matches = explained.every(({ recomputation }) => recomputation.matches);
  const nothing = `${text}: no rollout was started for it, so there is nothing to recompute`;
  const reports = out === undefined ? [] : await Promise.all(explained.map((one) => writePage(out, one)));
  const lines = explained.flatMap((one) => [...describe(screen, one), ""]).slice(0, -1);
  lines.push(...reports.map((path) => `report: ${path}`));
  return {
    document: {
      reference: text,
      matches,
      rollouts: explained.map(documentOf),
      ...(out !== undefined && { reports }),
    },
    lines: explained.length === 0 ? [nothing] : lines,
    exitCode: matches ? EXIT_CODES.pass : EXIT_CODES.gateFailed,
  };
}

async function recompute(records: Records, rollout: RolloutView): Promise<Explained> {
  const events = await records.auditEvents([`rollout/${rollout.id}`]);
  const started = events.find(({ kind }) => kind === "rollout-started");
  const recomputation = recomputeRollout({
    ...rollout,
    firstDeployment: rollout.championVersion === null,
    storedPlanDigest: await records.planDigest(rollout.id),
    auditedPlanDigest: started ? auditedPlanDigest(started.body) : null,
  });
  return { rollout, recomputation };
}

function auditedPlanDigest(event: Uint8Array): string {
  const { body } = JSON.parse(new TextDecoder().decode(event)) as { body: { planDigest?: unknown } };
  return String(body.planDigest);
}

/** The rollout's looks as plots, in one file. */
async function writePage(directory: string, explained: Explained): Promise<string> {
  const { rollout, recomputation } = explained;
  const { renderRolloutPage } = await import("../adapters/reports/rollout-page.ts");
  const overrides = rollout.overrides.map((one) => describeOverride(one));
  const page = renderRolloutPage({ ...rollout, overrides, matches: recomputation.matches });
  const name = `rollout-${rollout.id.replaceAll(/[^\w.-]/g, "-")}`;
  const written = await writeReport(directory, name, { report: documentOf(explained), page });
  return shownPath(written.html);
}

function documentOf({ rollout, recomputation }: Explained): unknown {
  const { id, endpoint, status, outcome, planDigest, plan, overrides } = rollout;
  const looks = recomputation.looks.map((look, index) => ({ ...look, at: rollout.looks[index]?.at }));
  return { id, endpoint, status, outcome, planDigest, plan, overrides, ...recomputation, looks };
}

function describe(screen: Pick<Screen, "paint" | "width">, { rollout, recomputation }: Explained): string[] {
  const { looks, decision, planDifferences } = recomputation;
  const wrong = looks.filter(({ matches }) => !matches);
  const shown = looks.filter((look, index) => !look.matches || isTurn(looks, index));
  const word = recomputation.matches ? screen.paint("good", "match") : screen.paint("bad", "mismatch");
  const counted = `${formatCount(looks.length)} looks judged again, ${formatCount(looks.length - wrong.length)} match, ${formatCount(wrong.length)} do not`;
  const times = new Map(rollout.looks.map(({ number, at }) => [number, at]));
  return [
    `${word}  rollout/${printable(rollout.id)} on ${rollout.endpoint}: ${counted}`,
    "",
    ...(shown.length === 0 ? [] : [...renderTable(screen, columns(times, rollout), shown), ""]),
    ...[
      ...planDifferences,
      ...wrong.flatMap(({ number, differences }) => differences.map((one) => inLook(number, one))),
    ].flatMap((one) => wrapText(sentence(one), screen.width)),
    ...rollout.overrides.flatMap((one) =>
      wrapText(describeOverride(one), screen.width).map((line) => screen.paint("open", line)),
    ),
    ...wrapText(`decision: ${decision.matches ? "match" : "mismatch"}; ${printable(decision.basis)}`, screen.width),
  ];
}

/** The first and last look and those whose verdict or step is another than before: the rest say the same again. */
function isTurn(looks: readonly RecomputedLook[], index: number): boolean {
  return index === 0 || index === looks.length - 1 || looks[index]?.recorded !== looks[index - 1]?.recorded;
}

const columns = (times: ReadonlyMap<number, Date>, rollout: RolloutView): TableColumn<RecomputedLook>[] => [
  { title: "look", value: ({ number }) => number, align: "right" },
  { title: "at", value: ({ number }) => instantText(times.get(number) ?? rollout.startedAt) },
  { title: "recorded", value: ({ recorded }) => recorded },
  { title: "recomputed", value: ({ recomputed }) => recomputed },
  {
    title: "",
    value: ({ matches }) => (matches ? "match" : "mismatch"),
    tone: ({ matches }) => (matches ? "good" : "bad"),
  },
];

const inLook = (number: number, difference: Difference): Difference => ({
  ...difference,
  field: `look ${number}: ${difference.field}`,
});

const sentence = ({ field, recorded, recomputed }: Difference): string =>
  printable(`${field} is recorded as ${JSON.stringify(recorded)}, recomputed ${JSON.stringify(recomputed)}`);
