import type { RecordedRequest } from "../contracts/messages.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { runOperation } from "../db/queries/operation.ts";
import type { Dependencies } from "./dependencies.ts";
import { operationContext } from "./operation-context.ts";

/** Remembers who asked a run to pause, resume, abort or roll back, and why. The run has done it already: recording never holds it up. */
export async function recordRequest({ database }: Dependencies, asked: RecordedRequest): Promise<void> {
  const context = operationContext();
  const key = `request/${context.workflowId}/${context.runId}/${context.activityId}`;
  await runOperation(database, { key, request: asked, context }, async (tx) => {
    const { subject, by, reason, request } = asked;
    await recordAudit(tx, { actor: by, subject, body: { kind: "request-made", request, reason } });
  });
}
