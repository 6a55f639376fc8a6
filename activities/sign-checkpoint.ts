import { signLog } from "../adapters/checkpoints/audit-log.ts";
import { formatPublicKey, loadOwnKeys, loadPrivateKey } from "../adapters/checkpoints/note-key.ts";
import type { LogProblem } from "../adapters/checkpoints/anchors.ts";
import { AUDIT_STREAM } from "../contracts/audit.ts";
import { Failure } from "../contracts/failures.ts";
import type { AuditCheckpointInput, AuditCheckpointResult } from "../contracts/messages.ts";
import type { Database } from "../db/client.ts";
import { recordCheckpoints } from "../db/queries/audit-checkpoint.ts";
import { createAuditLog } from "../db/queries/audit-log.ts";
import type { Dependencies } from "./dependencies.ts";
import { withHeartbeat } from "./heartbeat.ts";
import { raiseOnce } from "./raise-once.ts";

/**
 * Signs the audit log into the file outside the database. A log that is not the one that was signed before ends the run, where
 * everybody who looks at failed runs sees it. Repeating it is harmless: the same events give the same checkpoint.
 */
export async function signCheckpoint(
  { database, checkpoints: place }: Dependencies,
  { whole }: AuditCheckpointInput,
): Promise<AuditCheckpointResult> {
  if (!place) {
    const variables = "MODELWRIGHT_CHECKPOINT_KEY and MODELWRIGHT_CHECKPOINTS";
    throw new Failure("CHECKPOINT_UNCONFIGURED", { variables });
  }
  const key = await loadPrivateKey(place.keyPath);
  const formerKeys = await loadOwnKeys(place.keyPath);
  return await withHeartbeat(async () => {
    const outcome = await signLog(createAuditLog(database), { path: place.path, key, formerKeys, whole });
    if ("problem" in outcome) {
      // A log that is broken at its head takes no event and so no alarm; the failed run says it then.
      const cause = await alarm(database, outcome.problem).catch((thrown: unknown) => thrown);
      throw new Failure("AUDIT_NOT_SIGNED", outcome.problem, { cause });
    }
    const publicKey = formatPublicKey(key);
    // After the file: it is what counts, and a run that ends between the two finds the rest the next time.
    await database.transaction((tx) => recordCheckpoints(tx, { ...outcome, publicKey }));
    return {
      checkpoints: outcome.checkpoints.map(({ stream, size, written }) => ({ stream, size, written })),
    };
  });
}

const alarm = (database: Database, { kind, found }: LogProblem): Promise<void> =>
  database.transaction((tx) =>
    raiseOnce(tx, {
      kind: "audit-not-signed",
      subject: `audit/${AUDIT_STREAM}`,
      text: `the audit log is ${kind} and is not signed: ${found}`,
      actor: "service/checkpoints",
    }),
  );
