import { Option, type Command } from "commander";
import { LOGIN_ROLES, type LoginRole } from "../../contracts/names.ts";
import { nameSchema } from "../../contracts/primitives.ts";
import { answering, asOption, checked, defineVerb, resolveActor, resolveReason } from "../verb.ts";
import { withOwner } from "./with-owner.ts";

interface RemovalOptions {
  readonly role: LoginRole;
  readonly as?: string;
  readonly reason: string;
}

interface LoginOptions extends RemovalOptions {
  readonly team: readonly string[];
}

const collect = (team: string, teams: readonly string[]): readonly string[] => [...teams, team];

/** `access login NAME`: a login for somebody who reads the database with tools of their own. */
export function addLogin(access: Command): void {
  defineVerb(access, {
    usage: "login <name>",
    summary: "Make a login of the database that only reads, and print its address once",
    details:
      "An auditor reads everything. A member reads what hangs on the models of its teams and on models without a team. A name that has a login gets a new password, and the teams besides those it has. Needs DATABASE_ADMIN_URL, the address of the database's owner, unless the stack is a local one.",
    examples: [
      'access login grace --role auditor --reason "yearly audit"',
      'access login ada --role member --team flights --reason "dashboards of the team"',
    ],
  })
    .addOption(new Option("--role <role>", "what it reads").choices(LOGIN_ROLES).makeOptionMandatory())
    .option("--team <team>", "a team of a member; may be given more than once", collect, [])
    .addOption(asOption())
    .requiredOption("--reason <why>", "why; stays in the audit trail")
    .action(
      answering(async (screen, given: string, options: LoginOptions) => {
        const name = checked(nameSchema, given, "name");
        const teams = options.team.map((team) => checked(nameSchema, team, "--team"));
        const { role } = options;
        const attributed = { by: resolveActor(options.as), reason: resolveReason(options.reason) };
        return withOwner(async (owner) => {
          const { login, address } = await owner.createLogin({ name, role, teams, ...attributed });
          const note = screen.paint("soft", "Keep it; it is not shown again.");
          return { document: { login, role, teams, address }, lines: [address, note] };
        });
      }),
    );
}

/** `access remove-login NAME`. */
export function addRemoveLogin(access: Command): void {
  defineVerb(access, {
    usage: "remove-login <name>",
    summary: "Take a login of the database away, and end its sessions",
    details: "Needs DATABASE_ADMIN_URL, the address of the database's owner, unless the stack is a local one.",
    examples: ['access remove-login grace --role auditor --reason "the audit is over"'],
  })
    .addOption(new Option("--role <role>", "what it reads").choices(LOGIN_ROLES).makeOptionMandatory())
    .addOption(asOption())
    .requiredOption("--reason <why>", "why; stays in the audit trail")
    .action(
      answering(async (screen, given: string, { role, as, reason }: RemovalOptions) => {
        const name = checked(nameSchema, given, "name");
        const attributed = { by: resolveActor(as), reason: resolveReason(reason) };
        return withOwner(async (owner) => {
          const removed = await owner.removeLogin({ name, role, ...attributed });
          const ended = removed.sessionsEnded === 0 ? "" : `; sessions ended: ${removed.sessionsEnded}`;
          return { document: removed, lines: [`${screen.paint("good", "✔")} ${removed.login} is gone${ended}`] };
        });
      }),
    );
}
