import type { Command } from "commander";
import { grantIdSchema, ROLE_DEEDS, ROLES, roleSchema } from "../../contracts/identity.ts";
import { nameSchema } from "../../contracts/primitives.ts";
import { checked } from "../verb.ts";
import { defineChange, type ChangeOptions } from "./changing.ts";
import { addCompromised, COMPROMISED, type CompromiseOptions } from "./compromised.ts";

const roles = ROLES.map((role) => `${role}: ${ROLE_DEEDS[role].length === 0 ? "reads" : ROLE_DEEDS[role].join(", ")}`);

/** `access grant WHO ROLE` and `access revoke GRANT`. */
export function addRoles(access: Command): void {
  defineChange<ChangeOptions & { readonly model?: string; readonly environment?: string }>(access, {
    usage: "grant <who> <role>",
    summary: "Give somebody a role, for everything or for one model or environment",
    details: `Roles:\n${roles.map((role) => `  ${role}`).join("\n")}`,
    examples: ['access grant ada approver --model flight-delay --as grace --reason "knows the domain"'],
    options: (command) =>
      command
        .option("--model <name>", "for this model alone")
        .option("--environment <name>", "for this environment alone"),
    change: async (to, request, [who = "", given = ""], options) => {
      const role = checked(roleSchema, given, "role");
      const [model, environment] = (["model", "environment"] as const).map((place) =>
        options[place] === undefined ? null : checked(nameSchema, options[place], `--${place}`),
      );
      const place = { model: model ?? null, environment: environment ?? null };
      const grant = await to.changeAccess({ change: "grant", who, role, ...place }, request);
      const reach = `${model ? ` of model ${model}` : ""}${environment ? ` in ${environment}` : ""}`;
      return { document: { grant, who, role, ...place }, lines: [`${who} is ${role}${reach}`, `  grant ${grant}`] };
    },
  });
  defineChange<CompromiseOptions>(access, {
    usage: "revoke <grant>",
    summary: "Take a role away; `access list` shows the ids of grants",
    details: `What somebody decided while he had it stays decided. ${COMPROMISED}`,
    examples: ['access revoke 0193a0c2-7e55-7c3e-9f0a-3b1d2c4e5f60 --as grace --reason "left the team"'],
    options: addCompromised,
    change: async (to, request, [id = ""], { compromised }) => {
      const grant = checked(grantIdSchema, id, "grant");
      await to.changeAccess({ change: "revoke", grant, ...(compromised && { compromised }) }, request);
      return {
        document: { grant, revoked: true, compromised: compromised === true },
        lines: [`grant ${grant} is taken away`],
      };
    },
  });
}
