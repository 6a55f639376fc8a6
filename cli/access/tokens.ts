import type { Command } from "commander";
import { scopeSchema, tokenIdSchema } from "../../contracts/identity.ts";
import { nameSchema } from "../../contracts/primitives.ts";
import { parseDuration } from "../parse-duration.ts";
import { checked } from "../verb.ts";
import { defineChange, type ChangeOptions } from "./changing.ts";
import { addCompromised, COMPROMISED, type CompromiseOptions } from "./compromised.ts";

interface TokenOptions extends ChangeOptions {
  readonly label: string;
  readonly scope?: string[];
  readonly model?: string[];
  readonly environment?: string[];
  readonly expires: number;
}

/** `access token WHO` and `access revoke-token ID`. */
export function addTokens(access: Command): void {
  defineChange<TokenOptions>(access, {
    usage: "token <who>",
    summary: "Issue a token, which is printed once and kept nowhere",
    details:
      "A token proves who somebody is: set it as MODELWRIGHT_TOKEN. It signs on the machine where it is used and travels nowhere; only a gateway is shown it, so give programs that ask for predictions one of its own with --scope infer feedback. What it may be used for is its scope and what its holder's roles allow, whichever is less.",
    examples: [
      'access token ada --label laptop --expires 90d --as grace --reason "new laptop"',
      'access token nightly-ci --scope start register --model flight-delay --expires 365d --as grace --reason "nightly runs"',
    ],
    options: (command) =>
      command
        .option("--label <name>", "what it is for, so that it is found again", "token")
        .option(
          "--scope <deeds...>",
          "only for these: start, decide, deploy, infer, ...; default whatever the roles allow",
        )
        .option("--model <names...>", "only for these models")
        .option("--environment <names...>", "only for these environments")
        .requiredOption("--expires <duration>", "how long it is good: 90d, 12h", parseDuration),
    change: async (to, request, [who = ""], options) => {
      const label = checked(nameSchema, options.label, "--label");
      const deeds = options.scope?.flatMap((list) => list.split(",")) ?? null;
      const places = { models: options.model ?? null, environments: options.environment ?? null };
      const scope = checked(scopeSchema, { deeds, ...places }, "--scope");
      const { expires: expiresInMs } = options;
      const { id, token } = await to.issueToken({ who, label, scope, expiresInMs }, request);
      return {
        document: { id, token, who, label, scope, expiresInMs },
        lines: [token, `  token ${id} of ${who}; this is the one time it is shown`],
      };
    },
  });
  defineChange<CompromiseOptions>(access, {
    usage: "revoke-token <id>",
    summary: "End a token at once",
    details: `What it signed while it was good stays good, and answers say that it was revoked since and why. ${COMPROMISED}`,
    examples: ['access revoke-token 9f86d081884c7d65 --compromised --as grace --reason "laptop was stolen"'],
    options: addCompromised,
    change: async (to, request, [id = ""], { compromised }) => {
      const token = checked(tokenIdSchema, id, "token");
      await to.changeAccess({ change: "revoke-token", token, ...(compromised && { compromised }) }, request);
      return {
        document: { token, revoked: true, compromised: compromised === true },
        lines: [`token ${token} is revoked`],
      };
    },
  });
}
