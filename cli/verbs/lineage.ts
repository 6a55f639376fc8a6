import { Option, type Command } from "commander";
import { parseReference, type Reference } from "../../client/reference.ts";
import type { Modelwright } from "../../client/index.ts";
import { lineageRenderers, type LineageFormat } from "../../core/lineage/render.ts";
import { walkLineage, type LineageWalk } from "../../core/lineage/walk.ts";
import { Failure } from "../../contracts/failures.ts";
import { toLineageGraph } from "../lineage-nodes.ts";
import { loadPrediction } from "../load-prediction.ts";
import { predictionGraph } from "../prediction-graph.ts";
import { answering, defineVerb, withStack } from "../verb.ts";

interface LineageOptions {
  readonly downstream?: boolean;
  readonly format: LineageFormat;
}

/** `lineage REF`: what something was made from, or what came of it. */
export function addLineage(program: Command): void {
  defineVerb(program, {
    usage: "lineage <ref>",
    summary: "Show what something was made from, or what came of it",
    details:
      "REF is model/NAME@N, artifact/DIGEST, lifecycle/ID, evaluation/ID, source/PATH#DIGEST or prediction/ID; for a prediction the chain of routing epoch, version, evaluation, approval, training data and source.",
    examples: [
      "lineage model/flight-delay@2",
      "lineage prediction/0193a0c2-7e55-7c3e-9f0a-3b1d2c4e5f60",
      "lineage artifact/$DIGEST --downstream --format dot | dot -Tsvg > lineage.svg",
    ],
  })
    .option("--downstream", "what came of it, instead of what it was made from")
    .addOption(new Option("--format <format>", "how to draw it").choices(Object.keys(lineageRenderers)).default("tree"))
    .action(
      answering(async (_screen, ref: string, options: LineageOptions) => {
        const reference = parseReference(ref);
        return withStack(async (modelwright) => {
          const walk = await load(modelwright, reference, options.downstream ? "downstream" : "upstream");
          return { document: walk, lines: lineageRenderers[options.format](walk).trimEnd().split("\n") };
        });
      }),
    );
}

async function load(
  modelwright: Modelwright,
  { kind, name, text }: Reference,
  direction: LineageWalk["direction"],
): Promise<LineageWalk> {
  if (kind !== "prediction")
    return walkLineage(toLineageGraph(await modelwright.lineage(text, direction)), text, direction);
  if (direction === "downstream") {
    throw new Failure("INPUT_INVALID", {
      where: text,
      problems: "nothing comes of a prediction; leave --downstream out",
    });
  }
  const { root, graph } = predictionGraph(await loadPrediction(modelwright, name));
  return walkLineage(graph, root, direction);
}
