import type { Command } from "commander";
import type { NamedAccount } from "../../client/index.ts";
import { renderTable, type TableColumn } from "../table.ts";
import { answering, defineVerb, withStack } from "../verb.ts";

/** `access list`: who may do what. */
export function addList(access: Command): void {
  defineVerb(access, {
    usage: "list",
    summary: "Who has an account, with which roles and tokens",
    examples: ["access list", "access list --json"],
  }).action(
    answering(async (screen) =>
      withStack(async (modelwright) => {
        const [identity, accounts] = [await modelwright.identityMode(), await modelwright.accounts()];
        const tokens = accounts.flatMap(({ name, tokens: theirs }) => theirs.map((token) => ({ ...token, name })));
        const lines = [
          ...(accounts.length === 0 ? ["nobody has an account; `modelwright access person NAME` makes one"] : []),
          ...(accounts.length === 0 ? [] : renderTable(screen, ACCOUNTS, accounts)),
          ...(tokens.length === 0 ? [] : ["", ...renderTable(screen, TOKENS, tokens)]),
        ];
        return { document: { identity, accounts }, lines: [`identity: ${identity}`, "", ...lines] };
      }),
    ),
  );
}

const ACCOUNTS: readonly TableColumn<NamedAccount>[] = [
  { title: "who", value: ({ name }) => name },
  { title: "team", value: ({ team }) => team },
  {
    title: "roles",
    flexible: true,
    value: ({ roles }) =>
      roles.map(({ role, model, environment }) => [role, model, environment].filter(Boolean).join(" ")).join(", "),
  },
  { title: "grants", value: ({ roles }) => roles.map(({ id }) => id).join(" ") },
];

type NamedToken = NamedAccount["tokens"][number] & { readonly name: string };

const TOKENS: readonly TableColumn<NamedToken>[] = [
  { title: "token", value: ({ id }) => id },
  { title: "of", value: ({ name }) => name },
  { title: "label", value: ({ label }) => label },
  {
    title: "for",
    flexible: true,
    value: ({ scope: { deeds, models, environments } }) =>
      [deeds ?? "whatever the roles allow", models, environments].filter(Boolean).join("; "),
  },
  {
    title: "until",
    value: ({ state, expiresAt }) => (state === "good" ? expiresAt.toISOString().slice(0, 10) : state),
  },
];
