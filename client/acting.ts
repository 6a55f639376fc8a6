import type { DescribedDeed } from "../contracts/deeds.ts";
import { Failure } from "../contracts/failures.ts";
import type { SignedStatement } from "../contracts/identity.ts";
import type { Database } from "../db/client.ts";
import { findToken } from "../db/queries/identity.ts";
import { findActorRef } from "../db/queries/person.ts";
import { reveal } from "../db/queries/reveal.ts";
import { translated } from "./failures.ts";
import { parseToken, signDeed } from "./token.ts";

/** What a message carries of who asks. */
export interface Signed {
  readonly by: string;
  readonly proof?: SignedStatement;
}

/** Speaks for whoever uses this client: by his word, or by his token when he has one. */
export interface Acting {
  /**
   * Who acts, as people call him: `said`, or the holder of the token. @throws INPUT_INVALID when nobody is named or the token is
   * somebody else's, PROOF_REFUSED when the token is none of this installation
   */
  readonly actor: (said?: string) => Promise<string>;
  /** With a token the deed is signed, and the message names its holder by his pseudonym; the name stays at home. */
  readonly sign: (deed: DescribedDeed, request: { readonly by: string; readonly reason?: string }) => Promise<Signed>;
}

export function createActing(database: Database, text: string | undefined): Acting {
  if (text === undefined) {
    return {
      actor: async (said) => {
        if (said !== undefined) return said;
        const problems = "nobody is named and there is no token; say who acts with --as, or set MODELWRIGHT_TOKEN";
        throw new Failure("INPUT_INVALID", { where: "--as", problems });
      },
      sign: async (_deed, { by }) => ({ by }),
    };
  }
  const token = parseToken(text, "MODELWRIGHT_TOKEN");
  const holderOf = async (said: string | undefined): Promise<string> => {
    const holder = (await translated(findToken(database, { id: token.id })))?.principal;
    if (holder === undefined) {
      const allowed = "one that was issued here";
      throw new Failure("PROOF_REFUSED", {
        deed: "sign",
        subject: `token/${token.id}`,
        found: "an unknown token",
        allowed,
      });
    }
    if (said !== undefined && (await translated(findActorRef(database, said))) !== holder) {
      const problems = `${said} is not the holder of token ${token.id}; leave --as out, or use a token of ${said}`;
      throw new Failure("INPUT_INVALID", { where: "--as", problems });
    }
    return holder;
  };
  return {
    actor: async (said) => reveal(database, await holderOf(said)),
    sign: async (deed, { by, reason = "" }) => {
      const holder = await holderOf(by);
      return { by: holder, proof: signDeed(token, deed, { by: holder, reason }) };
    },
  };
}
