import type { Command } from "commander";
import type { Access } from "../../client/index.ts";
import type { Request } from "../../contracts/messages.ts";
import type { Answer } from "../answer.ts";
import {
  answering,
  defineVerb,
  resolveActor,
  resolveReason,
  withActor,
  type ActingOptions,
  type VerbDescription,
} from "../verb.ts";

export interface ChangeOptions extends ActingOptions {
  readonly reason: string;
}

/** A subcommand that changes who may do what: it says who and why, and does it as the owner where DATABASE_ADMIN_URL names one. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- what commander parsed is typed by whoever declared it
export function defineChange<Options extends ChangeOptions = ChangeOptions>(
  access: Command,
  verb: VerbDescription & {
    /** Adds what the subcommand takes besides. */
    readonly options?: (command: Command) => Command;
    readonly change: (access: Access, request: Request, given: readonly string[], options: Options) => Promise<Answer>;
  },
): void {
  const command = defineVerb(access, { ...verb, acts: true }).requiredOption(
    "--reason <why>",
    "why; it is recorded in the audit trail",
  );
  (verb.options?.(command) ?? command).action(
    answering(async (_screen, ...given: unknown[]) => {
      // Commander hands over the arguments, the options and the command.
      const options = given.at(-2) as Options;
      const words = given.slice(0, -2).map(String);
      const reason = resolveReason(options.reason);
      return withAccess(options, (found, by) => verb.change(found, { by, reason }, words, options));
    }),
  );
}

async function withAccess<Result>(
  options: ActingOptions,
  work: (access: Access, by: string) => Promise<Result>,
): Promise<Result> {
  const adminUrl = process.env["DATABASE_ADMIN_URL"];
  if (!adminUrl) return withActor(options, work);
  const { connectAsOwner } = await import("../../client/index.ts");
  const owner = connectAsOwner(adminUrl);
  try {
    return await work(owner, resolveActor(options.as));
  } finally {
    await owner.close();
  }
}
