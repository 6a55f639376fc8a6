import type { Command } from "commander";
import { addLogin } from "../access/login.ts";
import { addShow } from "../access/show.ts";
import { addTeam } from "../access/team.ts";

/** `access …`: who may do and read what. One file a subcommand in cli/access/. */
export function addAccess(program: Command): void {
  const access = program
    .command("access")
    .summary("Say who may do and read what")
    .description("Say who may do and read what.");
  addLogin(access);
  addTeam(access);
  addShow(access);
}
