import type { Command } from "commander";
import { renderTable } from "../table.ts";
import { answering, defineVerb } from "../verb.ts";
import { withOwner } from "./with-owner.ts";

/** `access show`: who reads the database, and whose its models are. */
export function addShow(access: Command): void {
  defineVerb(access, {
    usage: "show",
    summary: "List the logins that read the database, and the models that are a team's",
    details: "Needs DATABASE_ADMIN_URL, the address of the database's owner, unless the stack is a local one.",
    examples: ["access show", "access show --json"],
  }).action(
    answering(async (screen) =>
      withOwner(async (owner) => {
        const { logins, teams } = await owner.show();
        const lines = [
          ...(logins.length === 0
            ? [screen.paint("soft", "Nobody reads the database with tools of their own.")]
            : renderTable(
                screen,
                [
                  { title: "login", value: ({ login }) => login },
                  {
                    title: "reads",
                    value: ({ role, teams: of }) =>
                      role === "auditor" ? "everything" : ["models without a team", ...of].join(", "),
                    flexible: true,
                  },
                ],
                logins,
              )),
          ...(teams.length === 0
            ? [screen.paint("soft", "Every model is everybody's.")]
            : renderTable(
                screen,
                [
                  { title: "model", value: ({ model }) => model },
                  { title: "team", value: ({ team }) => team },
                ],
                teams,
              )),
        ];
        return { document: { logins, teams }, lines };
      }),
    ),
  );
}
