import { Option, type Command } from "commander";
import type { Modelwright, RegisteredModel } from "../../client/index.ts";
import { RISK_TIERS, VERSION_ORIGINS } from "../../contracts/names.ts";
import { collect, momentOptions, parseTags, type MomentOptions } from "../registry/options.ts";
import { versionTable } from "../registry/version-table.ts";
import type { Answer } from "../answer.ts";
import { brokenGlassLines } from "../broken-glass.ts";
import type { Screen } from "../screen.ts";
import { renderTable, type TableColumn } from "../table.ts";
import { answering, defineVerb, parseNumber, withStack } from "../verb.ts";

interface ModelsOptions extends MomentOptions {
  readonly versions?: boolean;
  readonly model?: string;
  readonly stage?: string;
  readonly alias?: string;
  readonly origin?: (typeof VERSION_ORIGINS)[number];
  readonly digest?: string;
  readonly lifecycle?: string;
  readonly tag?: readonly string[];
  readonly owner?: string;
  readonly riskTier?: (typeof RISK_TIERS)[number];
  readonly team?: string;
  readonly createdAfter?: string;
  readonly createdBefore?: string;
  readonly deleted?: boolean;
  readonly limit: number;
  readonly after?: string;
}

/** `models [WORDS...]`: what is registered, searched by words and by what is said of it. */
export function addModels(program: Command): void {
  const verb = defineVerb(program, {
    usage: "models [words...]",
    summary: "Search models, or versions of all models",
    details:
      'Words are searched for in the names of models, purposes, descriptions and tags, of models and of versions: several words must all be there, "two words" must follow each other, `or` and -not do what they say. Models come by name; with --versions, or with a filter that only versions have, versions come, the newest first. A page that is not the last ends with a cursor for --after.',
    examples: [
      "models",
      "models fraud -legacy",
      "models --stage production --owner payments",
      "models --tag country=NO --created-after 2026-01-01T00:00:00Z --json",
      "models --as-of 2026-03-01T10:00:00Z",
    ],
  })
    .option("--versions", "versions instead of models")
    .option("--model <name>", "versions of this model")
    .option("--stage <name>", "versions in this stage; `none` where nobody said one")
    .option("--alias <name>", "versions this alias points to")
    .addOption(new Option("--origin <origin>", "versions that came to be this way").choices(VERSION_ORIGINS))
    .option("--digest <sha256>", "versions of these bytes")
    .option("--lifecycle <id>", "versions this lifecycle made")
    .option("--tag <key=value>", "with this tag, of its own or of its model; may be repeated", collect)
    .option("--owner <name>", "of this owner")
    .addOption(new Option("--risk-tier <tier>", "of this risk").choices(RISK_TIERS))
    .option("--team <name>", "of this team")
    .option("--created-after <time>", "registered at or after this moment")
    .option("--created-before <time>", "registered before this moment")
    .option("--deleted", "what was deleted, instead of what is there")
    .option("--limit <count>", "at most so many, 1 to 500", parseNumber, 50)
    .option("--after <cursor>", "the page after the one that ended with this cursor");
  momentOptions(verb).action(
    answering(async (screen, words: readonly string[], options: ModelsOptions) =>
      withStack(async (modelwright) => search(modelwright, screen, words.join(" "), options)),
    ),
  );
}

/** What only versions have. */
const OF_VERSIONS = ["model", "stage", "alias", "origin", "digest", "lifecycle"] as const;

async function search(
  modelwright: Modelwright,
  screen: Screen,
  words: string,
  { json: _json, versions, tag, ...options }: ModelsOptions & { readonly json?: boolean },
): Promise<Answer> {
  const query = { ...options, ...(words === "" ? {} : { words }), ...(tag ? { tags: parseTags(tag) } : {}) };
  if (versions || OF_VERSIONS.some((name) => options[name] !== undefined)) {
    const page = await modelwright.versions(query);
    const brokenGlass = await modelwright.brokenGlass({ versionIds: page.versions.map(({ id }) => id) });
    const lines = [
      ...versionTable(screen, page.versions),
      ...more(screen, page),
      ...brokenGlassLines(screen, brokenGlass),
    ];
    return { document: { ...page, brokenGlass }, lines };
  }
  const page = await modelwright.models(query);
  const brokenGlass = await modelwright.brokenGlass();
  const table = modelTable(screen, page.models, words !== "" || tag !== undefined);
  const lines = [...table, ...more(screen, page), ...brokenGlassLines(screen, brokenGlass)];
  return { document: { ...page, brokenGlass }, lines };
}

const more = (screen: Screen, { next }: { readonly next: string | null }): string[] =>
  next === null ? [] : ["", screen.paint("soft", `more: --after ${next}`)];

function modelTable(screen: Screen, models: readonly RegisteredModel[], searched: boolean): string[] {
  if (models.length === 0) {
    const wayOut = searched
      ? "what is said of single versions is searched with --versions"
      : "register one: modelwright register FILE --model NAME";
    return ["No model.", screen.paint("soft", wayOut)];
  }
  const columns: TableColumn<RegisteredModel>[] = [
    { title: "model", value: ({ name }) => name },
    { title: "owner", value: ({ owner }) => owner },
    { title: "risk", value: ({ riskTier }) => (riskTier === "unknown" ? "" : riskTier) },
    { title: "versions", value: ({ versionCount }) => versionCount, align: "right" },
    { title: "latest", value: ({ latestNumber }) => (latestNumber === null ? "" : `@${latestNumber}`) },
    { title: "serving", value: ({ serving }) => serving.map(servingText).join(", ") },
    { title: "purpose", value: ({ purpose }) => purpose, flexible: true },
  ];
  return renderTable(screen, columns, models);
}

function servingText({ environment, champion, canary, canaryShare }: RegisteredModel["serving"][number]): string {
  const parts = [champion === null ? "" : `@${champion}`, canary === null ? "" : `@${canary} ${canaryShare / 100} %`];
  return `${environment} ${parts.filter((part) => part !== "").join(" / ")}`;
}
