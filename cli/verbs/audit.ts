import type { Command } from "commander";
import { formatCount } from "../../client/text.ts";
import { EXIT_CODES } from "../../contracts/names.ts";
import { answering, defineVerb, withStack } from "../verb.ts";

/** `audit verify`: recomputes the hash chain of the audit trail. */
export function addAudit(program: Command): void {
  const audit = program.command("audit").summary("Check the audit trail").description("Check the audit trail.");
  defineVerb(audit, {
    usage: "verify",
    summary: "Recompute every hash of the audit trail",
    details:
      "Exit code: 0 the chain is whole, 1 it could not be checked, 2 an event was changed, taken out or cut off.",
    examples: ["audit verify", "audit verify --json"],
  }).action(
    answering(async (screen) =>
      withStack(async (modelwright) => {
        const verification = await modelwright.verifyAudit();
        const { ok, events, problem } = verification;
        const count = `${formatCount(events)} events`;
        if (ok) return { document: verification, lines: [`${screen.paint("good", "✔")} ${count}, the chain is whole`] };
        const found = problem
          ? `event ${problem.seq} of stream ${problem.stream} is ${problem.kind}`
          : "it is not whole";
        const lines = [`${screen.paint("bad", "✖")} ${found}; ${count} before it are right`];
        return { document: verification, lines, exitCode: EXIT_CODES.gateFailed };
      }),
    ),
  );
}
