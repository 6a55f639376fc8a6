import { readFile } from "node:fs/promises";
import { SECTIONS } from "./run-checks.ts";
import type { Result } from "./check.ts";

interface Run {
  readonly server: string;
  readonly results: readonly Result[];
}

const INTRODUCTION = `# Conformance with the Open Inference Protocol

Made by \`node --import tsx docs/generate.ts\` from the suite in \`test/conformance/\` and the last run of it against MLServer.

The suite asks any server, by its address:

\`\`\`
node --import tsx test/conformance/run.ts --address http://127.0.0.1:8080 --grpc 127.0.0.1:8081 --model echo
\`\`\`

The server serves three models that answer every input \`NAME\` of shape [-1, 2] as the output \`NAME_echo\`: \`echo\` has an input of each
datatype with typed contents in gRPC (named \`bool\` to \`bytes\`), \`echo-half\` has \`fp16\` and \`bf16\`, \`echo-one\` has \`fp32\` alone. Our gateway
passes all of it: \`test/conformance/gateway.test.ts\` fails otherwise. \`tritonclient\` and KServe's client are asked as well, in
\`test/activity/serving/\`.

MLServer runs a model of its own in Python, which decodes and encodes with its codecs; \`test/conformance/mlserver/run.sh\` repeats it. Three
things to know when reading its column: the binary extension, BF16, deflate and statistics are extensions that it does not
claim; checking a request against the model's tensors is left to each runtime there; and any status from 400 to 499 counts as a
refusal here, but the protocol's body \`{"error": ...}\` is asked for.`;

/** The page: how many checks of each section hold, then every check. */
export async function writeConformancePage(): Promise<string> {
  const peer = JSON.parse(await readFile(new URL("./results/mlserver.json", import.meta.url), "utf8")) as Run;
  const find = (section: string, title: string): Result | undefined =>
    peer.results.find((result) => result.section === section && result.title === title);
  const counts = SECTIONS.map(({ title, checks }) => {
    const passed = checks.filter((check) => find(title, check.title)?.outcome === "pass");
    return `| ${title} | ${checks.length} | ${checks.length} | ${passed.length} |`;
  });
  const details = SECTIONS.flatMap(({ title, checks }) => [
    "",
    `## ${title}`,
    "",
    `| the server | ${peer.server} |`,
    "|---|---|",
    ...checks.map((check) => `| ${cell(check.title)} | ${cell(describe(find(title, check.title)))} |`),
  ]);
  const head = ["", `| section | checks | Modelwright | ${peer.server} |`, "|---|---|---|---|"];
  return [INTRODUCTION, ...head, ...counts, ...details, ""].join("\n");
}

function describe(result: Result | undefined): string {
  if (!result) return "not asked";
  return result.outcome === "pass" ? "holds" : result.outcome === "skip" ? "not asked" : `no: ${result.found}`;
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
