import type { Command } from "commander";
import { addAccess } from "./verbs/access.ts";
import { addAlarms } from "./verbs/alarms.ts";
import { addApprove } from "./verbs/approve.ts";
import { addAudit } from "./verbs/audit.ts";
import { addDecisions } from "./verbs/decisions.ts";
import { addDelete } from "./verbs/delete.ts";
import { addDeploy } from "./verbs/deploy.ts";
import { addDrift } from "./verbs/drift.ts";
import { addEvaluate } from "./verbs/evaluate.ts";
import { addExplain } from "./verbs/explain.ts";
import { addLineage } from "./verbs/lineage.ts";
import { addLog } from "./verbs/log.ts";
import { addLogSettings } from "./verbs/log-settings.ts";
import { addModel } from "./verbs/model.ts";
import { addModels } from "./verbs/models.ts";
import { addMonitors } from "./verbs/monitors.ts";
import { addOptimize } from "./verbs/optimize.ts";
import { addPlan } from "./verbs/plan.ts";
import { addPolicy } from "./verbs/policy.ts";
import { addPromote } from "./verbs/promote.ts";
import { addRegister } from "./verbs/register.ts";
import { addRetry } from "./verbs/retry.ts";
import { addRollback } from "./verbs/rollback.ts";
import { addSet } from "./verbs/set.ts";
import { addShare } from "./verbs/share.ts";
import { addStart } from "./verbs/start.ts";
import { addStatus } from "./verbs/status.ts";
import { addUp } from "./verbs/up.ts";
import { addValidate } from "./verbs/validate.ts";
import { addWatch } from "./verbs/watch.ts";

/** Registry of verbs, in the order of `--help`: one file each, one line here. */
export const verbs: readonly ((program: Command) => void)[] = [
  addUp,
  addStart,
  addWatch,
  addStatus,
  addRetry,
  addApprove,
  addDecisions,
  addRollback,
  addPromote,
  addShare,
  addRegister,
  addPlan,
  addDeploy,
  addPolicy,
  addAlarms,
  addMonitors,
  addLog,
  addLogSettings,
  addModels,
  addModel,
  addSet,
  addDelete,
  addLineage,
  addExplain,
  addAudit,
  addAccess,
  addValidate,
  addOptimize,
  addEvaluate,
  addDrift,
];
