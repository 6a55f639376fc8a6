import { readFile } from "node:fs/promises";
import type { z } from "zod";
import { Failure } from "../contracts/failures.ts";

/**
 * Reads a file that people write, YAML or JSON, and parses it with a schema: every problem with its path.
 * `what` names the file's part in the message of one that is missing.
 * @throws FILE_MISSING, INPUT_INVALID
 */
export async function loadDocument<Schema extends z.ZodType>(
  path: string,
  { what, schema }: { readonly what: string; readonly schema: Schema },
): Promise<z.output<Schema>> {
  const { value, problems } = await readDocument(path, what);
  if (problems !== null) throw new Failure("INPUT_INVALID", { where: path, problems: `not YAML or JSON\n${problems}` });
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Failure("INPUT_INVALID", {
    where: path,
    problems: `this is no ${what}\n${describeProblems(parsed.error)}`,
  });
}

/** The file's value, or what keeps it from being YAML or JSON, one line a problem. @throws FILE_MISSING, INPUT_INVALID for a folder */
export async function readDocument(
  path: string,
  what: string,
): Promise<{ readonly value: unknown; readonly problems: string | null }> {
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "EISDIR") {
      const problems = `this is a folder, the ${what} is one file; name the file`;
      throw new Failure("INPUT_INVALID", { where: path, problems }, { cause });
    }
    throw new Failure("FILE_MISSING", { path, what }, { cause });
  });
  // Loaded here: most verbs read no document.
  const { parseDocument } = await import("yaml");
  const document = parseDocument(text);
  const problems = document.errors.map((error) => `  ${error.message.split("\n")[0] ?? ""}`).join("\n");
  if (problems !== "") return { value: null, problems };
  try {
    return { value: document.toJS() as unknown, problems: null };
  } catch (thrown) {
    // Aliases that unfold to more than the parser allows.
    return { value: null, problems: `  ${thrown instanceof Error ? thrown.message : String(thrown)}` };
  }
}

/** One line a problem: path, then what is wrong. */
export function describeProblems(error: z.ZodError): string {
  return error.issues.map((issue) => `  ${issue.path.join(".") || "(top)"}: ${issue.message}`).join("\n");
}
