import { accessDeed } from "../contracts/deeds.ts";
import { Failure } from "../contracts/failures.ts";
import { accessChangeSchema } from "../contracts/identity.ts";
import type { AccessChangeInput } from "../contracts/messages.ts";
import { judgeRoles, judgeScope } from "../core/identity/judge-authority.ts";
import type { Transaction } from "../db/client.ts";
import { recordAccessChange } from "../db/queries/access.ts";
import { listTokensFor } from "../db/queries/identity.ts";
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
    const place = { model: null, environment: null };
    const who = await authorize(tx, { ...accessDeed(change), ...place, by, reason, proof });
    if (change.change === "identity" && change.mode === "required") await requireAdministrator(tx);
    return { changed: await recordAccessChange(tx, change, who) };
  });
}

/** Where a proof is asked for from now on, somebody must be able to give one for this very deed, or nobody could ever take it back. */
async function requireAdministrator(tx: Transaction): Promise<void> {
  const asked = { deed: "access", model: null, environment: null, team: null } as const;
  const tokens = await listTokensFor(tx, asked.deed);
  const able = [...tokens.values()].some(
    (token) => judgeScope(asked, token.scope) === null && judgeRoles(asked, token) === null,
  );
  if (able) return;
  const problems =
    "nobody has a token of an administrator, so everybody would be locked out; make one first, with `modelwright access person`, `access grant` and `access token`";
  throw new Failure("INPUT_INVALID", { where: "access identity required", problems });
}
