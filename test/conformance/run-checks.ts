import { AssertionError } from "node:assert/strict";
import { binaryData } from "./checks/binary-data.ts";
import { compression } from "./checks/compression.ts";
import { grpc } from "./checks/grpc.ts";
import { jsonInference } from "./checks/json-inference.ts";
import { malformedJson } from "./checks/malformed-json.ts";
import { repository } from "./checks/repository.ts";
import { server } from "./checks/server.ts";
import type { Check, Result, Section, Target } from "./check.ts";

/** Every section of the suite, in the order of its page. */
export const SECTIONS: readonly Section[] = [
  server,
  jsonInference,
  binaryData,
  compression,
  malformedJson,
  repository,
  grpc,
];

/** Runs every check against a server, one after the other: statistics are asked of what the checks before sent. */
export async function runChecks(target: Target): Promise<Result[]> {
  const results: Result[] = [];
  for (const section of SECTIONS) {
    const isSkipped = section.needs === "grpc" && !target.grpc;
    for (const each of section.checks) {
      const found = isSkipped ? null : await runCheck(each, target);
      const outcome = isSkipped ? "skip" : found === null ? "pass" : "fail";
      results.push({ section: section.title, title: each.title, outcome, found: found ?? "" });
    }
  }
  return results;
}

const LONGEST = 160;

/** Null where it holds, else what was found: one line. */
async function runCheck({ run }: Check, target: Target): Promise<string | null> {
  try {
    await run(target);
    return null;
  } catch (thrown) {
    const text = thrown instanceof Error ? thrown.message : String(thrown);
    // A message of our own is its first line; node puts a comparison below it.
    const isOurs = !(thrown instanceof AssertionError) || !thrown.generatedMessage;
    const line = isOurs ? text.split("\n", 1)[0] : text.replaceAll(/\s+/g, " ");
    return (line ?? "").trim().slice(0, LONGEST);
  }
}
