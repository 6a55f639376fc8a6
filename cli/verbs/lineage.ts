import { Option, type Command } from "commander";
import type { LineageGraph, Modelwright } from "../../client/index.ts";
import { parseReference, parseVersion } from "../../client/reference.ts";
import { lineageRenderers, type LineageFormat } from "../../core/lineage/render.ts";
import { Failure } from "../../contracts/failures.ts";
import type { Answer } from "../answer.ts";
import { describeImpact } from "../describe-impact.ts";
import { renderPath } from "../lineage-path.ts";
import { renderTree } from "../lineage-tree.ts";
import { groundsOf, predictionGraph } from "../prediction-graph.ts";
import type { Screen } from "../screen.ts";
import { answering, defineVerb, parseNumber, withStack } from "../verb.ts";
import { renderComparison } from "../version-comparison.ts";

interface LineageOptions {
  readonly upstream?: boolean;
  readonly downstream?: boolean;
  readonly to?: string;
  readonly diff?: string;
  readonly format: LineageFormat | "tree";
  readonly limit?: number;
}

/** `lineage REF`: what something was made from, what came of it, how two things hang together, in what two versions differ. */
export function addLineage(program: Command): void {
  defineVerb(program, {
    usage: "lineage <ref>",
    summary: "Show what something was made from, or what came of it",
    details:
      "REF is model/NAME@N, artifact/DIGEST (or its first digits), lifecycle/ID, evaluation/ID, source/PATH#DIGEST or prediction/ID; for a prediction also how it was routed. The last line says whether the answer is the whole, and at which audit event it was read.",
    examples: [
      "lineage model/flight-delay@2",
      "lineage prediction/0193a0c2-7e55-7c3e-9f0a-3b1d2c4e5f60",
      "lineage artifact/$DIGEST --downstream --format dot | dot -Tsvg > lineage.svg",
      "lineage artifact/$DIGEST --to model/flight-delay@2",
      "lineage model/flight-delay@1 --diff model/flight-delay@2",
    ],
  })
    .option("--upstream", "what it was made from, which is the default")
    .addOption(new Option("--downstream", "what came of it, and what that served").conflicts("upstream"))
    .addOption(
      new Option("--to <ref>", "the shortest way to another thing").conflicts(["upstream", "downstream", "limit"]),
    )
    .addOption(
      new Option("--diff <ref>", "in what another version differs").conflicts([
        "upstream",
        "downstream",
        "to",
        "limit",
      ]),
    )
    .addOption(
      new Option("--format <format>", "how to draw it")
        .choices(["tree", ...Object.keys(lineageRenderers)])
        .default("tree"),
    )
    .option("--limit <edges>", "most edges away from it, 5000 unless told", parseNumber)
    .action(
      answering(async (screen, ref: string, options: LineageOptions) => {
        // A reference nobody can mean is told before any stack is asked.
        const parse = options.diff === undefined ? parseReference : parseVersion;
        for (const text of [ref, options.to ?? options.diff ?? ref]) parse(text);
        return withStack(async (modelwright) => {
          if (options.diff !== undefined) return compare(modelwright, screen, ref, options.diff);
          if (options.to !== undefined) {
            const path = await modelwright.lineagePath(ref, options.to);
            return { document: path, lines: renderPath(path, screen) };
          }
          return draw(modelwright, screen, ref, options);
        });
      }),
    );
}

async function draw(
  modelwright: Modelwright,
  screen: Screen,
  ref: string,
  { downstream, format, limit }: LineageOptions,
): Promise<Answer> {
  const direction = downstream ? "downstream" : "upstream";
  const options = { direction, ...(limit === undefined ? {} : { limit }) } as const;
  const { kind, name, text } = parseReference(ref);
  const graph =
    kind === "prediction"
      ? await drawPrediction(modelwright, text, name, options)
      : await modelwright.lineage(text, options);
  if (format !== "tree") return { document: graph, lines: lineageRenderers[format](graph).trimEnd().split("\n") };
  const lines = renderTree(graph, screen);
  if (!downstream) return { document: graph, lines };
  const impact = await modelwright.impact(text);
  return { document: { ...graph, impact }, lines: [...lines, ...describeImpact(impact, screen)] };
}

async function drawPrediction(
  modelwright: Modelwright,
  reference: string,
  inferenceId: string,
  options: { readonly direction: LineageGraph["direction"]; readonly limit?: number },
): Promise<LineageGraph> {
  if (options.direction === "downstream") {
    const problems = "nothing comes of a prediction; leave --downstream out";
    throw new Failure("INPUT_INVALID", { where: reference, problems });
  }
  const explanation = await modelwright.explain(inferenceId);
  return predictionGraph(explanation, await modelwright.lineage(groundsOf(explanation), options));
}

async function compare(modelwright: Modelwright, screen: Screen, left: string, right: string): Promise<Answer> {
  const comparison = await modelwright.compareVersions(left, right);
  return { document: comparison, lines: renderComparison(comparison, screen) };
}
