import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { FAILURES } from "../contracts/failures.ts";
import { lifecycleSpecSchema } from "../contracts/spec.ts";
import { writeConformancePage } from "../test/conformance/write-page.ts";
import { writeOnnxMessages, writeOnnxSchema } from "./onnx-schema.ts";

const views = await readFile(new URL("../db/migrations/0015-views.sql", import.meta.url), "utf8");

const conformance = await writeConformancePage();

/**
 * Files made from the contracts, from the comments the database has on its views, from the conformance suite with the results of its last
 * run, and from the descriptor of onnx.proto. `--check` compares instead of writing and fails when one is stale.
 */
const generated: Record<string, () => string> = {
  "docs/lifecycle.schema.json": () =>
    `${JSON.stringify(z.toJSONSchema(lifecycleSpecSchema, { io: "input" }), null, 2)}\n`,
  "core/onnx/messages.ts": writeOnnxMessages,
  "core/onnx/schema.ts": writeOnnxSchema,
  "docs/audit-views.md": describeViews,
  "docs/conformance.md": () => conformance,
  "docs/failures.md": () =>
    [
      "# Failures",
      "",
      "Every expected failure, from `contracts/failures.ts`. Made by `node --import tsx docs/generate.ts`.",
      "",
      "| code | retried | message |",
      "|---|---|---|",
      ...Object.entries(FAILURES).map(
        ([code, entry]) => `| \`${code}\` | ${entry.retryable ? "yes" : "no"} | ${example(entry.wording)} |`,
      ),
      "",
    ].join("\n"),
};

/** A table a view, its columns in order, from the COMMENT statements of the migration that makes it. */
function describeViews(): string {
  const comments = [
    ...views.matchAll(/^COMMENT ON (VIEW|COLUMN) (audit_views\.\w+)(?:\.(\w+))? IS '((?:[^']|'')*)';$/gm),
  ];
  const lines = comments.flatMap(([, what, view, column, text = ""]) => {
    const said = text.replaceAll("''", "'").replaceAll("|", "\\|");
    return what === "VIEW"
      ? ["", `## ${view}`, "", said, "", "| column | is |", "|---|---|"]
      : [`| \`${column}\` | ${said} |`];
  });
  const made =
    "From the comments in the database, by `node --import tsx docs/generate.ts`. [lineage.md](lineage.md) has questions to ask of them.";
  return ["# Views for auditors", "", made, ...lines, ""].join("\n");
}

/** The message with its fields as placeholders. */
function example(wording: (fields: never) => string): string {
  const placeholders = new Proxy({}, { get: (_, field) => `‹${String(field)}›` });
  return wording(placeholders as never)
    .replaceAll("|", "\\|")
    .replaceAll("\n", " ");
}

const check = process.argv.includes("--check");
const stale: string[] = [];
for (const [file, make] of Object.entries(generated)) {
  const path = fileURLToPath(new URL(`../${file}`, import.meta.url));
  const content = make();
  if ((await readFile(path, "utf8").catch(() => "")) === content) continue;
  if (check) stale.push(file);
  else await writeFile(path, content);
}
if (stale.length > 0) {
  console.error(
    `stale generated files: ${stale.join(", ")}; run \`node --import tsx docs/generate.ts\` and commit them`,
  );
  process.exitCode = 1;
}
