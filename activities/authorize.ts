import { Failure } from "../contracts/failures.ts";
import type { DescribedDeed } from "../contracts/deeds.ts";
import { signedStatementSchema, type Assurance, type Role, type SignedStatement } from "../contracts/identity.ts";
import { judgeAuthority, reachesPlace, type Place } from "../core/identity/judge-authority.ts";
import { digestOf } from "../db/canonical.ts";
import type { Transaction } from "../db/client.ts";
import {
  findTeam,
  findToken,
  listHeldRoles,
  loadIdentityMode,
  useStatement,
  type HeldRole,
} from "../db/queries/identity.ts";
import { attribute, type Attribution } from "../db/queries/person.ts";
import { isSignedBy } from "../db/statement.ts";
import { operationContext } from "./operation-context.ts";

/** Somebody asks for something, in a message. */
export interface AskedFor extends DescribedDeed, Place {
  /** As the message calls him: a name, or the ref of the token's holder. */
  readonly by: string;
  readonly reason?: string;
  readonly proof?: SignedStatement | undefined;
}

/** Who asked, and why, as it is kept: pseudonym and commitment; and how sure that is. */
export interface Authority extends Attribution {
  readonly assurance: Assurance;
  /** Digest of the signed statement; null where he was believed. */
  readonly statement: string | null;
  /** Roles he has for this model and environment. */
  readonly roles: readonly Role[];
}

/**
 * The one way in for everything people ask: checks the proof against Postgres, as it is now, and makes who and why storable. Without
 * a proof he is believed where the installation says so. A proof is always checked, whole, whatever the installation says.
 * @throws PROOF_REQUIRED, PROOF_REFUSED, DEED_NOT_ALLOWED
 */
export async function authorize(tx: Transaction, asked: AskedFor): Promise<Authority> {
  const { proof, by, reason = "" } = asked;
  if (proof !== undefined) return await authorizeSigned(tx, asked, signedStatementSchema.parse(proof));
  if ((await loadIdentityMode(tx)) === "required") {
    throw new Failure("PROOF_REQUIRED", { deed: asked.deed, subject: asked.subject, who: by });
  }
  const said = await attribute(tx, { by, reason });
  return { ...said, assurance: "declared", statement: null, roles: rolesFor(await listHeldRoles(tx, said.by), asked) };
}

async function authorizeSigned(tx: Transaction, asked: AskedFor, proof: SignedStatement): Promise<Authority> {
  const { deed, subject, model, environment } = asked;
  const { statement, signature } = proof;
  const refused = (found: string, allowed: string) => new Failure("PROOF_REFUSED", { deed, subject, found, allowed });
  const bearer = await findToken(tx, { id: proof.token });
  if (!bearer) throw refused(`token ${proof.token}`, "one that was issued here");
  if (!isSignedBy(statement, signature, bearer.publicKey)) {
    throw refused("a signature that is not of this statement by this token", "the token's own");
  }
  const salt = Buffer.from(proof.reasonSalt, "base64url");
  const said = await attribute(tx, { by: asked.by, reason: asked.reason ?? "", salt });
  if (said.reason !== statement.reason)
    throw refused("another reason than the one that was signed", "exactly what was signed");
  const refusal = judgeAuthority(
    {
      deed,
      subject,
      by: said.by,
      details: digestOf(asked.details),
      model,
      environment,
      team: await findTeam(tx, model),
    },
    {
      statement: { ...statement, issuedAt: new Date(statement.issuedAt), expiresAt: new Date(statement.expiresAt) },
      bearer,
      now: bearer.now,
    },
  );
  if (refusal?.kind === "proof") throw refused(refusal.found, refusal.allowed);
  if (refusal) {
    throw new Failure("DEED_NOT_ALLOWED", {
      who: asked.by,
      deed,
      subject,
      found: refusal.found,
      allowed: refusal.allowed,
    });
  }
  const { workflowId, runId, activityId } = operationContext();
  const digest = await useStatement(tx, proof, `${workflowId}/${runId}/${activityId}`);
  if (digest === null) throw refused("a statement that was used before", "each statement once");
  return { ...said, assurance: "signed", statement: digest, roles: rolesFor(bearer.grants, asked) };
}

const rolesFor = (grants: readonly HeldRole[], place: Place): Role[] => [
  ...new Set(grants.filter((grant) => reachesPlace(grant, place)).map(({ role }) => role)),
];
