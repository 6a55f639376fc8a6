import { randomUUID } from "node:crypto";
import type { Client } from "@temporalio/client";
import { accessDeed } from "../contracts/deeds.ts";
import type { AccessChange, Scope } from "../contracts/identity.ts";
import type { Request } from "../contracts/messages.ts";
import { QUEUES, WORKFLOWS, workflowIds } from "../contracts/names.ts";
import { openDatabase, type Database } from "../db/client.ts";
import { recordAccessChange } from "../db/queries/access.ts";
import { listAccounts, type Account } from "../db/queries/accounts.ts";
import { loadIdentityMode } from "../db/queries/identity.ts";
import { attribute, findActorRef } from "../db/queries/person.ts";
import { reveal } from "../db/queries/reveal.ts";
import type { Acting } from "./acting.ts";
import { translated } from "./failures.ts";
import { createToken } from "./token.ts";

/** People and service accounts, what they may do, and what is asked of them. */
export interface Access {
  /** Returns what the change is about: the ref of an account, the id of a grant or token. */
  readonly changeAccess: (change: AccessChange, request: Request) => Promise<string>;
  /** Makes a token here and registers what others check it by. The token itself is nowhere but in the answer. */
  readonly issueToken: (
    token: TokenRequest,
    request: Request,
  ) => Promise<{ readonly id: string; readonly token: string }>;
  /** Who has an account, with roles and tokens. */
  readonly accounts: () => Promise<NamedAccount[]>;
  readonly identityMode: () => ReturnType<typeof loadIdentityMode>;
}

/** `name` is what the ref stands for, as long as it is not erased. */
export type NamedAccount = Account & { readonly name: string };

export interface TokenRequest {
  readonly who: string;
  readonly label: string;
  readonly scope: Scope;
  readonly expiresInMs: number;
}

export function createAccess(client: Client, database: Database, { sign }: Acting): Access {
  return accessBy(database, async (change, request) => {
    const requestId = randomUUID();
    const signed = await sign(accessDeed(change), request);
    const { changed } = await translated(
      client.workflow.execute(WORKFLOWS.accessChange, {
        taskQueue: QUEUES.control,
        workflowId: workflowIds.access(requestId),
        args: [{ ...request, ...signed, requestId, change }],
      }) as Promise<{ changed: string }>,
    );
    return changed;
  });
}

export interface OwnerAccess extends Access {
  readonly close: () => Promise<void>;
}

/** As the database's owner, who needs nobody's leave: the first administrator is made so. Each change is audited all the same. */
export function connectAsOwner(adminUrl: string): OwnerAccess {
  const database = openDatabase({ url: adminUrl, maximumConnections: 1 });
  const change: Access["changeAccess"] = (asked, request) =>
    translated(
      database.transaction(async (tx) => {
        const who = await attribute(tx, request);
        return recordAccessChange(tx, asked, { ...who, assurance: "owner", statement: null });
      }),
    );
  return { ...accessBy(database, change), close: () => database.close() };
}

function accessBy(database: Database, changeAccess: Access["changeAccess"]): Access {
  return {
    // Whoever is known is called by his ref: then his name does not travel again.
    changeAccess: async (change, request) => changeAccess(await byRef(database, change), request),
    issueToken: async (wanted, request) => {
      const { text, ...kept } = createToken();
      const change = await byRef(database, { change: "token", ...wanted, ...kept });
      return { id: await changeAccess(change, request), token: text };
    },
    accounts: async () => {
      const accounts = await translated(listAccounts(database));
      const refs = accounts.map(({ ref }) => ref);
      const names = await translated(reveal(database, refs));
      return accounts.map((account, index) => ({ ...account, name: names[index] ?? account.ref }));
    },
    identityMode: () => translated(loadIdentityMode(database)),
  };
}

async function byRef(database: Database, change: AccessChange): Promise<AccessChange> {
  if (!("who" in change)) return change;
  return { ...change, who: (await translated(findActorRef(database, change.who))) ?? change.who };
}
