import { dirname, join } from "node:path";
import type { Command } from "commander";
import { nameSchema } from "../../contracts/primitives.ts";
import { answering, checked, defineVerb, withActor, type ActingOptions } from "../verb.ts";

interface RegisterOptions extends ActingOptions {
  readonly model: string;
  readonly signature?: string;
}

/** `register FILE`: a model file of your own as the next version of a model. */
export function addRegister(program: Command): void {
  defineVerb(program, {
    usage: "register <file>",
    summary: "Register an ONNX file of your own as the next version of a model",
    details:
      "The file is admitted first: size and operators, its declared signature, a smoke inference. Paths are those of the compute workers' machine.",
    examples: [
      "register model.onnx --model flight-delay",
      "register model.onnx --model churn --signature churn.json --as ada",
    ],
    acts: true,
  })
    .requiredOption("--model <name>", "model the version belongs to; made when it is new")
    .option("--signature <file>", "signature as JSON; default signature.json beside the file")
    .action(
      answering(async (_screen, file: string, options: RegisterOptions) => {
        const model = checked(nameSchema, options.model, "--model");
        const signaturePath = options.signature ?? join(dirname(file), "signature.json");
        return withActor(options, async (modelwright, as) => {
          const version = await modelwright.register({ model, path: file, signaturePath, as });
          const name = `${version.model}@${version.number}`;
          const said = version.existing ? `these bytes were registered before: ${name}` : `registered ${name}`;
          return { document: version, lines: [said, `  artifact/${version.digest}`] };
        });
      }),
    );
}
