import { isFailure } from "../../contracts/failures.ts";
import { embedData } from "../inference/embed-data.ts";

export interface EmbedInput {
  readonly path: string;
  /** Where the one file goes when the model's data is in others. */
  readonly outputPath: string;
}

/**
 * The path of a model as one file: what comes in from outside goes through here once, before its digest is taken. What is no model is left
 * as it is, for admission to say so.
 */
export async function embed({ path, outputPath }: EmbedInput): Promise<string> {
  try {
    return await embedData(path, outputPath);
  } catch (thrown) {
    if (isFailure(thrown) && thrown.code === "MODEL_NOT_ONNX") return path;
    throw thrown;
  }
}
