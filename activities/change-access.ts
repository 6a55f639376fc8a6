import { accessDeed } from "../contracts/deeds.ts";
import { accessChangeSchema } from "../contracts/identity.ts";
import type { AccessChangeInput } from "../contracts/messages.ts";
import { recordAccessChange } from "../db/queries/access.ts";
import { runOperation } from "../db/queries/operation.ts";
import { authorize } from "./authorize.ts";
import type { Dependencies } from "./dependencies.ts";
import { operationContext } from "./operation-context.ts";

/** Changes accounts, roles, tokens or the identity setting, for an administrator. Returns what the change is about. */
export async function changeAccess({ database }: Dependencies, input: AccessChangeInput): Promise<{ changed: string }> {
  const { requestId, by, reason, proof } = input;
  const change = accessChangeSchema.parse(input.change);
  const operation = { key: `access/${requestId}`, request: { requestId }, context: operationContext() };
  return runOperation(database, operation, async (tx) => {
    const who = await authorize(tx, { ...accessDeed(change), model: null, environment: null, by, reason, proof });
    return { changed: await recordAccessChange(tx, change, who) };
  });
}
