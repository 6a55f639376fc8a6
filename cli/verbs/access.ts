import type { Command } from "commander";
import { addErase } from "../access/erase.ts";
import { addIdentity } from "../access/identity.ts";
import { addList } from "../access/list.ts";
import { addLogin, addRemoveLogin } from "../access/login.ts";
import { addPrincipals } from "../access/principals.ts";
import { addRoles } from "../access/roles.ts";
import { addShow } from "../access/show.ts";
import { addTeam } from "../access/team.ts";
import { addTokens } from "../access/tokens.ts";

/** Subcommands of `access`, in the order of its help: one file each in cli/access/, one line here. */
const subcommands: readonly ((access: Command) => void)[] = [
  addShow,
  addLogin,
  addRemoveLogin,
  addTeam,
  addList,
  addPrincipals,
  addRoles,
  addTokens,
  addIdentity,
  addErase,
];

/** `access …`: who may do and read what. */
export function addAccess(program: Command): void {
  const access = program
    .command("access")
    .summary("Say who may do and read what")
    .description("Say who may do and read what: people and programs, their roles and tokens, and logins that read.");
  for (const addSubcommand of subcommands) addSubcommand(access);
}
