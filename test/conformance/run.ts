/**
 * `node --import tsx test/conformance/run.ts --address http://HOST:PORT [--grpc HOST:PORT] [--model NAME] [--json FILE --name SERVER]`:
 * asks any server of the Open Inference Protocol every question of the suite. `echo-model.ts` says what its models must be. Exits 0
 * when every check passed, 1 otherwise.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { createGrpcClient } from "../unit/serving/grpc-client.ts";
import { createHttpTarget } from "./http-target.ts";
import { runChecks } from "./run-checks.ts";

const { values } = parseArgs({
  options: {
    address: { type: "string" },
    grpc: { type: "string" },
    model: { type: "string", default: "echo" },
    /** Keeps the results for docs/conformance.md, under this name. */
    json: { type: "string" },
    name: { type: "string", default: "" },
  },
});
if (values.address === undefined) throw new TypeError("--address http://HOST:PORT is missing");

const http = createHttpTarget(values.address);
const grpc = values.grpc === undefined ? undefined : createGrpcClient(values.grpc);
const results = await runChecks({ http, ...(grpc ? { grpc } : {}), model: values.model });
grpc?.close();

for (const { section, title, outcome, found } of results) {
  process.stdout.write(`${outcome}  ${section}: ${title}${found === "" ? "" : ` (${found})`}\n`);
}
const count = (outcome: string) => results.filter((result) => result.outcome === outcome).length;
process.stdout.write(`${count("pass")} passed, ${count("fail")} failed, ${count("skip")} skipped\n`);
if (values.json !== undefined) {
  await writeFile(values.json, `${JSON.stringify({ server: values.name, results }, null, 2)}\n`);
}
process.exitCode = count("fail") === 0 ? 0 : 1;
