import { loadWorkflowBundle } from "./workflow-bundle.ts";

/** Builds the workflow bundle into a directory ahead of time, for images: `node --import tsx workers/build-bundle.ts DIRECTORY`. */
const [, , directory] = process.argv;
if (directory === undefined) throw new Error("usage: node --import tsx workers/build-bundle.ts DIRECTORY");
const { buildId } = await loadWorkflowBundle(directory);
console.log(`workflow bundle ${buildId}`);
