import type { Command } from "commander";
import { parseReference } from "../../client/reference.ts";
import { printable, wrapText } from "../../client/text.ts";
import { Failure } from "../../contracts/failures.ts";
import { explainPrediction } from "../explain-prediction.ts";
import { loadPrediction } from "../load-prediction.ts";
import { answering, defineVerb, withStack } from "../verb.ts";

/** `explain prediction/ID`: the chain in sentences. */
export function addExplain(program: Command): void {
  defineVerb(program, {
    usage: "explain <ref>",
    summary: "Tell in sentences why a prediction was what it was: prediction/ID",
    examples: ["explain prediction/0193a0c2-7e55-7c3e-9f0a-3b1d2c4e5f60"],
  }).action(
    answering(async ({ width }, ref: string) => {
      const { kind, name, text } = parseReference(ref);
      if (kind !== "prediction") {
        const problems = "only predictions are explained, as prediction/ID; `modelwright lineage` shows the rest";
        throw new Failure("INPUT_INVALID", { where: text, problems });
      }
      return withStack(async (modelwright) => {
        const explained = await loadPrediction(modelwright, name);
        const lines = explainPrediction(explained).flatMap((sentence) => [...wrapText(printable(sentence), width), ""]);
        return {
          document: { ...explained.explanation, trainingData: explained.trainingData },
          lines: lines.slice(0, -1),
        };
      });
    }),
  );
}
