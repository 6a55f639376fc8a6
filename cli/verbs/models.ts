import type { Command } from "commander";
import { formatBytes } from "../../adapters/reports/numbers.ts";
import type { ModelSummary, ModelVersion } from "../../client/index.ts";
import { formatCount } from "../../client/text.ts";
import { Failure } from "../../contracts/failures.ts";
import { nameSchema } from "../../contracts/primitives.ts";
import { brokenGlassLines } from "../broken-glass.ts";
import { instantText } from "../instant-text.ts";
import type { Screen } from "../screen.ts";
import { renderTable, type TableColumn } from "../table.ts";
import { answering, checked, defineVerb, withStack } from "../verb.ts";

/** `models [NAME]`: what is registered. */
export function addModels(program: Command): void {
  defineVerb(program, {
    usage: "models [name]",
    summary: "List models, or the versions of one",
    examples: ["models", "models flight-delay --json"],
  }).action(
    answering(async (screen, given: string | undefined) => {
      const name = given === undefined ? undefined : checked(nameSchema, given, "model");
      return withStack(async (modelwright) => {
        const models = await modelwright.models();
        if (name === undefined) {
          const brokenGlass = await modelwright.brokenGlass();
          const lines = [...modelTable(screen, models), ...brokenGlassLines(screen, brokenGlass)];
          return { document: { models, brokenGlass }, lines };
        }
        const model = models.find((one) => one.name === name);
        if (!model) {
          const found = models.map((one) => one.name).join(", ") || "(none)";
          throw new Failure("MODEL_UNKNOWN", { model: name, found });
        }
        const versions = await modelwright.versions(name);
        const brokenGlass = await modelwright.brokenGlass({ versionIds: versions.map(({ id }) => id) });
        const lines = [...versionTable(screen, versions), ...brokenGlassLines(screen, brokenGlass)];
        return { document: { model, versions, brokenGlass }, lines };
      });
    }),
  );
}

function modelTable(screen: Screen, models: readonly ModelSummary[]): string[] {
  if (models.length === 0)
    return ["No model yet.", screen.paint("soft", "register one: modelwright register FILE --model NAME")];
  const columns: TableColumn<ModelSummary>[] = [
    { title: "model", value: ({ name }) => name },
    { title: "versions", value: ({ versionCount }) => versionCount, align: "right" },
    { title: "latest", value: ({ name, latestNumber }) => (latestNumber === null ? "" : `${name}@${latestNumber}`) },
    { title: "purpose", value: ({ purpose }) => purpose, flexible: true },
  ];
  return renderTable(screen, columns, models);
}

function versionTable(screen: Screen, versions: readonly ModelVersion[]): string[] {
  if (versions.length === 0) return ["No version yet."];
  const numbers = new Map(versions.map(({ id, number }) => [id, number]));
  const columns: TableColumn<ModelVersion>[] = [
    { title: "version", value: ({ model, number }) => `${model}@${number}` },
    {
      title: "origin",
      value: ({ origin, parentVersion }) => {
        const parent = parentVersion === null ? undefined : numbers.get(parentVersion);
        return parent === undefined ? origin : `${origin} from @${parent}`;
      },
    },
    { title: "parameters", value: ({ facts }) => formatCount(facts.parameterCount), align: "right" },
    { title: "size", value: ({ facts }) => formatBytes(facts.sizeBytes), align: "right" },
    { title: "by", value: ({ createdBy }) => createdBy },
    { title: "made", value: ({ createdAt }) => instantText(createdAt) },
    { title: "artifact", value: ({ artifact }) => artifact, flexible: true },
  ];
  return renderTable(screen, columns, versions);
}
