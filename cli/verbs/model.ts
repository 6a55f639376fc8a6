import type { Command } from "commander";
import type { HistoryEntry, ModelCard, Modelwright, RegisteredVersion, VersionCard } from "../../client/index.ts";
import { printable } from "../../client/text.ts";
import type { Moment } from "../../contracts/registry.ts";
import type { Answer } from "../answer.ts";
import { brokenGlassLines } from "../broken-glass.ts";
import { instantText } from "../instant-text.ts";
import { momentOptions, type MomentOptions } from "../registry/options.ts";
import { versionTable } from "../registry/version-table.ts";
import type { Screen } from "../screen.ts";
import { renderTable, type TableColumn } from "../table.ts";
import { answering, defineVerb, withStack } from "../verb.ts";

interface ModelOptions extends MomentOptions {
  readonly history?: boolean;
}

/** `model NAME`, `model NAME@N`: everything about one. */
export function addModel(program: Command): void {
  const verb = defineVerb(program, {
    usage: "model <name>",
    summary: "Show a model, or one version: NAME, NAME@N, NAME@ALIAS or NAME@latest",
    details:
      "What is said of it, what of it serves, its versions; deleted ones too. --history shows every entry, who made it when and why: `true from` is when it holds, `recorded` when it was said.",
    examples: [
      "model flight-delay",
      "model flight-delay@production --history",
      "model flight-delay --as-of 2026-03-01T10:00:00Z --known-at 2026-03-02T00:00:00Z",
    ],
  }).option("--history", "every entry ever made about it");
  momentOptions(verb).action(
    answering(async (screen, name: string, { history, asOf, knownAt }: ModelOptions) => {
      const moment: Moment = { ...(asOf === undefined ? {} : { asOf }), ...(knownAt === undefined ? {} : { knownAt }) };
      return withStack(async (modelwright) =>
        name.includes("@")
          ? showVersion(modelwright, screen, {
              card: await modelwright.version(name, moment),
              history: history === true,
            })
          : showModel(modelwright, screen, { name, moment, history: history === true }),
      );
    }),
  );
}

const VERSIONS_SHOWN = 20;

async function showModel(
  modelwright: Modelwright,
  screen: Screen,
  { name, moment, history }: { readonly name: string; readonly moment: Moment; readonly history: boolean },
): Promise<Answer> {
  const card = await modelwright.model(name, moment);
  const { versions, next } = await modelwright.versions({
    model: name,
    limit: VERSIONS_SHOWN,
    ...moment,
    deleted: card.deleted,
  });
  const { history: entries, ...model } = card;
  const brokenGlass = await modelwright.brokenGlass({ versionIds: versions.map(({ id }) => id) });
  const more = next === null ? [] : [screen.paint("soft", `more: modelwright models --model ${name} --after ${next}`)];
  return {
    document: { model: history ? card : model, versions, next, brokenGlass },
    lines: [
      ...facts(screen, card.name, card.deleted, modelFacts(card)),
      "",
      ...versionTable(screen, versions),
      ...more,
      ...brokenGlassLines(screen, brokenGlass),
      ...(history ? ["", ...historyTable(screen, entries)] : []),
    ],
  };
}

async function showVersion(
  modelwright: Modelwright,
  screen: Screen,
  { card, history }: { readonly card: VersionCard; readonly history: boolean },
): Promise<Answer> {
  const { history: entries, ...version } = card;
  const brokenGlass = await modelwright.brokenGlass({ versionIds: [card.id] });
  return {
    document: { ...(history ? card : version), brokenGlass },
    lines: [
      ...facts(screen, `${card.model}@${card.number}`, card.deleted, versionFacts(card)),
      ...brokenGlassLines(screen, brokenGlass),
      ...(history ? ["", ...historyTable(screen, entries)] : []),
    ],
  };
}

type Fact = readonly [name: string, value: string | null];

function facts(screen: Screen, title: string, deleted: boolean, rows: readonly Fact[]): string[] {
  const shown = rows.filter((row): row is readonly [string, string] => row[1] !== null && row[1] !== "");
  const width = Math.max(...shown.map(([name]) => name.length));
  const head = screen.paint("strong", title) + (deleted ? screen.paint("bad", "  deleted") : "");
  return [head, ...shown.map(([name, value]) => `  ${screen.paint("soft", name.padEnd(width))}  ${printable(value)}`)];
}

const pairs = (values: Readonly<Record<string, string | number>>, between: string) =>
  Object.entries(values)
    .map(([key, value]) => `${key}${between}${value}`)
    .join("  ");

const modelFacts = (card: ModelCard): Fact[] => [
  ["owner", card.owner],
  ["purpose", card.purpose],
  ["risk tier", card.riskTier],
  ["team", card.team],
  ["description", card.description],
  ["tags", pairs(card.tags, "=")],
  ["aliases", pairs(card.aliases, " → @")],
  ["stages", card.stages.join(", ")],
  ["made", instantText(card.createdAt)],
  ...serving(card),
];

const versionFacts = (card: VersionCard): Fact[] => [
  ["stage", card.stage],
  ["aliases", card.aliases.join(" ")],
  ["description", card.description],
  ["tags", pairs(card.tags, "=")],
  ["origin", originOf(card)],
  ["made from it", card.kin.children.map((number) => `@${number}`).join(" ")],
  ["bytes", `artifact/${card.artifact}`],
  ["made", `${instantText(card.createdAt)} by ${card.createdBy}`],
  ["lifecycle", card.lifecycle],
  ...serving(card),
];

function originOf({ origin, kin }: RegisteredVersion & Pick<VersionCard, "kin">): string {
  return kin.parent === null ? origin : `${origin} from @${kin.parent}`;
}

function serving({ serving: all }: Pick<ModelCard, "serving">): Fact[] {
  return all.map(({ endpoint, environment, epoch, champion, canary, canaryShare }) => {
    const canaryText = canary === null ? "" : `, canary @${canary} with ${canaryShare / 100} %`;
    return [
      "serving",
      `${endpoint} (${environment}), epoch ${epoch}: champion ${champion === null ? "none" : `@${champion}`}${canaryText}`,
    ];
  });
}

function historyTable(screen: Screen, entries: readonly HistoryEntry[]): string[] {
  if (entries.length === 0) return ["Nothing was ever said about it."];
  const columns: TableColumn<HistoryEntry>[] = [
    { title: "true from", value: ({ validFrom }) => `${validFrom.slice(0, 19)}Z` },
    { title: "recorded", value: ({ recordedAt }) => `${recordedAt.slice(0, 19)}Z` },
    { title: "said", value: ({ attribute, key }) => (key === "" ? attribute : `${attribute}:${key}`) },
    {
      title: "value",
      value: ({ value }) =>
        value === null ? "(taken away)" : typeof value === "string" ? value : JSON.stringify(value),
    },
    { title: "by", value: ({ recordedBy }) => recordedBy },
    { title: "why", value: ({ reason }) => reason, flexible: true },
  ];
  return renderTable(screen, columns, entries);
}
