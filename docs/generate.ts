import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { FAILURES } from "../contracts/failures.ts";
import { lifecycleSpecSchema } from "../contracts/spec.ts";

/** Files made from the contracts. `--check` compares instead of writing and fails when one is stale. */
const generated: Record<string, () => string> = {
  "docs/lifecycle.schema.json": () =>
    `${JSON.stringify(z.toJSONSchema(lifecycleSpecSchema, { io: "input" }), null, 2)}\n`,
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
