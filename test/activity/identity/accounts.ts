import { randomUUID } from "node:crypto";

import { createToken, parseToken, signDeed, type Token } from "../../../client/token.ts";
import type { DescribedDeed } from "../../../contracts/deeds.ts";
import type { Role, Scope } from "../../../contracts/identity.ts";
import type { Database } from "../../../db/client.ts";
import { recordAccessChange } from "../../../db/queries/access.ts";
import { attribute } from "../../../db/queries/person.ts";

const EVERYTHING: Scope = { deeds: null, models: null, environments: null };

/** Somebody with an account and a token. */
export interface Account {
  readonly ref: string;
  readonly token: Token;
  readonly text: string;
  readonly prove: (deed: DescribedDeed, reason?: string, goodForMs?: number) => ReturnType<typeof signDeed>;
}

/** Changes accounts as the database's owner would. */
export const change = (database: Database, access: Parameters<typeof recordAccessChange>[1]): Promise<string> =>
  database.transaction(async (tx) => {
    const by = await attribute(tx, { by: "owner", reason: "fixture" });
    return recordAccessChange(tx, access, { ...by, assurance: "owner", statement: null });
  });

export interface AccountRequest {
  readonly name?: string;
  readonly roles?: readonly Role[];
  readonly model?: string;
  readonly environment?: string;
  readonly team?: string;
  readonly scope?: Partial<Scope>;
  readonly expiresInMs?: number;
}

export async function addAccount(
  database: Database,
  {
    name = `person ${randomUUID()}`,
    roles = [],
    model,
    environment,
    team,
    scope,
    expiresInMs = 3_600_000,
  }: AccountRequest = {},
): Promise<Account> {
  const ref = await change(database, { change: "principal", kind: "person", name, team: team ?? null });
  for (const role of roles) {
    await change(database, { change: "grant", who: ref, role, model: model ?? null, environment: environment ?? null });
  }
  const { text, ...kept } = createToken();
  await change(database, {
    change: "token",
    who: ref,
    label: "test",
    scope: { ...EVERYTHING, ...scope },
    expiresInMs,
    ...kept,
  });
  const token = parseToken(text, "test");
  const prove: Account["prove"] = (deed, reason = "", goodForMs) =>
    signDeed(token, deed, { by: ref, reason, ...(goodForMs === undefined ? {} : { goodForMs }) });
  return { ref, token, text, prove };
}
