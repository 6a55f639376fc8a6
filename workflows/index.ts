export { auditCheckpoint } from "./audit-checkpoint.ts";
export { accessChange } from "./access.ts";
export { driftCheck } from "./drift-check.ts";
export { modelLifecycle } from "./lifecycle.ts";
export { modelRegistration } from "./registration.ts";
export { registryChange } from "./registry-change.ts";
export { canaryRollout, endpointRollback } from "./rollout.ts";
export { logRetention, logSettingsChange } from "./prediction-log.ts";
export { alarmAcknowledgement, policyChange, versionDecision } from "./governance.ts";
