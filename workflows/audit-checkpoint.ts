import type { AuditCheckpointInput, AuditCheckpointResult } from "../contracts/messages.ts";
import { signing } from "./activity-options.ts";

/** Signs the audit log as it stands; fails, and is seen to fail, when it is not the log that was signed before. */
export async function auditCheckpoint(input: AuditCheckpointInput): Promise<AuditCheckpointResult> {
  return signing.signCheckpoint(input);
}
