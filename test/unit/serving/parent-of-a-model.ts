import { startModelProcess } from "../../../adapters/inference/model-process.ts";
import { SIGNATURE } from "./served-model.ts";

/** A process to be killed: starts a model's process and tells its id. */
const [path = "", digest = ""] = process.argv.slice(2);
const model = await startModelProcess({ label: "m@1", path, digest, signature: SIGNATURE });
process.send?.(model.pid());
