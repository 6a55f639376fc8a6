import { acceptSpec } from "./accept-spec.ts";
import { admitModel } from "./admit-model.ts";
import { acknowledgeAlarm } from "./acknowledge-alarm.ts";
import { awaitApproval, recordDecision, recordVersionDecision } from "./approval.ts";
import { changePolicy } from "./approval-policy.ts";
import { changeAccess } from "./change-access.ts";
import { changeRegistry } from "./change-registry.ts";
import { checkDrift } from "./check-drift.ts";
import { confirmTraffic } from "./confirm-traffic.ts";
import type { Dependencies } from "./dependencies.ts";
import { planRollout, recordDeployment, restoreFormerChampion } from "./deployment.ts";
import { endLifecycle } from "./end-lifecycle.ts";
import { evaluateModel } from "./evaluate-model.ts";
import { translateFailures } from "./failures.ts";
import { startMonitor } from "./monitor.ts";
import { beginShadow, promoteCanary, setShare, shiftTraffic, withdrawCanary } from "./move-traffic.ts";
import { openRollout } from "./open-rollout.ts";
import { changeLogSettings, dropExpiredDays } from "./log-settings.ts";
import { optimizeModel } from "./optimize-model.ts";
import { reportMissedCheck } from "./report-missed-check.ts";
import { recordRequest } from "./record-request.ts";
import { registerModel } from "./register-model.ts";
import { decideRetrain } from "./retrain.ts";
import { closeRollout } from "./close-rollout.ts";
import { lookAtPromotion, lookAtRollout, lookAtShadow, renewRolloutLease } from "./look-at-rollout.ts";
import { signCheckpoint } from "./sign-checkpoint.ts";
import { snapshotData } from "./snapshot-data.ts";
import { trainModel } from "./train-model.ts";
import { validateData } from "./validate-data.ts";
import { leaveTurn, waitTurn } from "./wait-turn.ts";

const all = {
  acceptSpec,
  snapshotData,
  validateData,
  trainModel,
  admitModel,
  optimizeModel,
  evaluateModel,
  awaitApproval,
  recordDecision,
  recordVersionDecision,
  changePolicy,
  acknowledgeAlarm,
  changeLogSettings,
  dropExpiredDays,
  recordRequest,
  planRollout,
  waitTurn,
  leaveTurn,
  recordDeployment,
  openRollout,
  beginShadow,
  shiftTraffic,
  promoteCanary,
  setShare,
  withdrawCanary,
  confirmTraffic,
  lookAtRollout,
  lookAtShadow,
  lookAtPromotion,
  renewRolloutLease,
  closeRollout,
  restoreFormerChampion,
  startMonitor,
  endLifecycle,
  checkDrift,
  reportMissedCheck,
  decideRetrain,
  registerModel,
  signCheckpoint,
  changeAccess,
  changeRegistry,
} as const;

/** The activities as Temporal calls them: one object in, ids and verdicts out. */
export type Activities = {
  readonly [Name in keyof typeof all]: (input: Parameters<(typeof all)[Name]>[1]) => ReturnType<(typeof all)[Name]>;
};

/** Binds every activity to the outside world and puts the catalogue's failures on the wire. */
export function createActivities(dependencies: Dependencies): Activities {
  const bound = Object.entries(all).map(([name, activity]) => [
    name,
    (input: never) => (activity as (dependencies: Dependencies, input: never) => Promise<unknown>)(dependencies, input),
  ]);
  return translateFailures(Object.fromEntries(bound) as Activities);
}
