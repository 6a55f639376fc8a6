// Runs the whole stack on the folder it is given as `modelwright up` does: progress as lines, then one JSON line, until stopped.
import { startForegroundStack } from "../../../../local/foreground.ts";

const [dataDir = ""] = process.argv.slice(2);
const { addresses } = await startForegroundStack({
  dataDir,
  env: process.env,
  onProgress: (line) => console.log(line),
});
console.log(JSON.stringify({ ready: true, ...addresses }));
