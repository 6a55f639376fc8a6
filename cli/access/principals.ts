import type { Command } from "commander";
import { PRINCIPAL_KINDS } from "../../contracts/identity.ts";
import { nameSchema } from "../../contracts/primitives.ts";
import { checked } from "../verb.ts";
import { defineChange, type ChangeOptions } from "./changing.ts";

const ABOUT = {
  person: { summary: "Give a person an account, or another team", name: "ada" },
  service: { summary: "Give a program an account, or another team", name: "nightly-ci" },
} as const;

/** `access person NAME` and `access service NAME`. */
export function addPrincipals(access: Command): void {
  for (const kind of PRINCIPAL_KINDS) {
    const { summary, name: example } = ABOUT[kind];
    defineChange<ChangeOptions & { readonly team?: string }>(access, {
      usage: `${kind} <name>`,
      summary,
      examples: [`access ${kind} ${example} --team flights --as grace --reason "joins the team"`],
      options: (command) =>
        command.option("--team <name>", "team whose models it reaches as an engineer; default none"),
      change: async (to, request, [name = ""], { team }) => {
        const inTeam = team === undefined ? null : checked(nameSchema, team, "--team");
        if (kind === "service") checked(nameSchema, name, "service");
        const ref = await to.changeAccess({ change: "principal", kind, name, team: inTeam }, request);
        const line = `${kind} ${name} has an account${inTeam === null ? "" : ` in team ${inTeam}`}`;
        return { document: { ref, kind, name, team: inTeam }, lines: [line, `  ${ref}`] };
      },
    });
  }
}
