import type { ApprovalStanding } from "../contracts/approval.ts";
import type { AlarmAcknowledgement, PolicyChange, VersionDecision } from "../contracts/messages.ts";
import { control } from "./activity-options.ts";

/** An approval or rejection of a version for an environment, outside any lifecycle that waits. */
export async function versionDecision(decision: VersionDecision): Promise<ApprovalStanding> {
  return control.recordVersionDecision(decision);
}

/** What it takes to be approved. */
export async function policyChange(change: PolicyChange): Promise<{ policy: string | null }> {
  return control.changePolicy(change);
}

export async function alarmAcknowledgement(acknowledgement: AlarmAcknowledgement): Promise<void> {
  await control.acknowledgeAlarm(acknowledgement);
}
