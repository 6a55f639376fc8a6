import { startDeed } from "../contracts/deeds.ts";
import { Failure } from "../contracts/failures.ts";
import type { AcceptedSpec, LifecycleInput } from "../contracts/messages.ts";
import type { Saying } from "../contracts/registry.ts";
import { lifecycleSpecSchema, type LifecycleSpec } from "../contracts/spec.ts";
import { requireSound } from "../core/lifecycle/spec-problems.ts";
import type { Transaction } from "../db/client.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { createLifecycle, loadLifecycle, setLifecycleStatus } from "../db/queries/lifecycle.ts";
import { ensureModel } from "../db/queries/model.ts";
import { findModel } from "../db/queries/registry/models.ts";
import { findRetrainedLifecycle } from "../db/queries/retrain.ts";
import { attribute, findActorRef } from "../db/queries/person.ts";
import { authorize } from "./authorize.ts";
import { recordChange } from "./change-registry.ts";
import type { Dependencies } from "./dependencies.ts";
import { RETRAIN_POLICY } from "./retrain.ts";
import { runStage } from "./stage.ts";

/**
 * The authoritative parse: defaults resolved, gates and seeds recorded before anything is measured. The recorded spec is the one
 * the run uses; a retried round keeps it.
 */
export async function acceptSpec(dependencies: Dependencies, input: LifecycleInput): Promise<AcceptedSpec> {
  const { database } = dependencies;
  const recorded = await loadLifecycle(database, input.lifecycleId);
  // A round is run once, and only a failed lifecycle has another: whoever uses the id of an ended one wants a new lifecycle.
  const mayRun =
    !recorded || ["running", "waiting"].includes(recorded.status) || (recorded.status === "failed" && input.round > 1);
  if (!mayRun) throw new Failure("OPERATION_CONFLICT", { key: `lifecycle/${input.lifecycleId}` });
  const spec = recorded && input.round > 1 ? recorded.spec : parse(input);
  // A repeated attempt of this step finds what the first one recorded, and asks nobody again.
  const asks = recorded === null || recorded.status === "failed";
  await database.transaction(async (tx) => {
    const { by, statement } = asks ? await whoStarts(tx, input, spec) : { by: recorded.startedBy, statement: null };
    await ensureModel(tx, spec.model.name);
    // The first time alone: what somebody said about the model since stays when a round is tried again.
    if (recorded === null) await describeModel(tx, { lifecycleId: input.lifecycleId, by }, spec.model);
    const lifecycle = await createLifecycle(tx, {
      id: input.lifecycleId,
      spec,
      startedBy: by,
      reason: input.causedBy === null ? "" : "retraining asked for by a drift check",
      causedBy: input.causedBy,
    });
    if (recorded === null) {
      await recordAudit(tx, {
        actor: by,
        statement,
        subject: `lifecycle/${input.lifecycleId}`,
        body: {
          kind: "lifecycle-started",
          model: spec.model.name,
          specDigest: lifecycle.specDigest,
          reason: lifecycle.reason,
          causedBy: input.causedBy,
        },
      });
    } else if (recorded.status === "failed") {
      const outcome = `round ${input.round}`;
      await setLifecycleStatus(tx, { id: input.lifecycleId, status: "running", outcome });
      await recordAudit(tx, {
        actor: by,
        statement,
        subject: `lifecycle/${input.lifecycleId}`,
        body: { kind: "lifecycle-status", status: "running", outcome, failureCode: null },
      });
    }
  });
  const gateCount = spec.evaluation.gates.length;
  await runStage(dependencies, input, "accept", async ({ lifecycle }) => ({
    verdict: "pass",
    headline: `${gateCount} ${gateCount === 1 ? "gate" : "gates"} fixed, spec ${lifecycle.specDigest.slice(0, 12)}`,
    record: async () => ({ specDigest: lifecycle.specDigest }),
  }));
  return {
    approvalRequired: spec.approval.required,
    endpoint: spec.deployment?.endpoint ?? null,
    monitored: spec.monitoring !== undefined && spec.deployment !== undefined,
    trainingTimeoutMs: spec.training.timeoutMs,
  };
}

/** What the spec says about its model and the registry does not say yet. */
async function describeModel(
  tx: Transaction,
  { lifecycleId, by }: { readonly lifecycleId: string; readonly by: string },
  said: LifecycleSpec["model"],
): Promise<void> {
  const known = await findModel(tx, { name: said.name });
  if (known?.deleted) throw new Failure("DELETED", { subject: said.name });
  const sayings: Saying[] = [
    ...(said.purpose !== "" && said.purpose !== known?.purpose
      ? [{ attribute: "purpose" as const, key: "" as const, value: said.purpose }]
      : []),
    ...(said.owner !== undefined && !(await isActor(tx, said.owner, known?.owner ?? null))
      ? [{ attribute: "owner" as const, key: "" as const, value: said.owner }]
      : []),
    ...(said.riskTier !== undefined && said.riskTier !== known?.riskTier
      ? [{ attribute: "risk-tier" as const, key: "" as const, value: said.riskTier }]
      : []),
    ...Object.entries(said.tags ?? {}).flatMap(([key, value]) =>
      known?.tags[key] === value ? [] : [{ attribute: "tag" as const, key, value }],
    ),
  ];
  if (sayings.length === 0) return;
  const who = await attribute(tx, { by, reason: `the spec of lifecycle ${lifecycleId} says so` });
  await recordChange(tx, { model: said.name, number: null, sayings, validFrom: null, ...who, statement: null });
}

/** Whether a name is that of the actor the registry knows by his pseudonym. */
const isActor = async (tx: Transaction, name: string, ref: string | null): Promise<boolean> =>
  ref !== null && (await findActorRef(tx, name)) === ref;

/** Somebody asks for the round, or a drift check did: then the recorded decision, which names this lifecycle, speaks for it. */
async function whoStarts(
  tx: Transaction,
  input: LifecycleInput,
  spec: LifecycleSpec,
): Promise<{ by: string; statement: string | null }> {
  const deed = startDeed(input);
  if (input.causedBy !== null && input.round === 1) {
    if ((await findRetrainedLifecycle(tx, input.causedBy)) === input.lifecycleId) {
      return { by: RETRAIN_POLICY, statement: null };
    }
    const found = `retrain decision ${input.causedBy}`;
    throw new Failure("PROOF_REFUSED", { ...deed, found, allowed: "the decision that names this lifecycle" });
  }
  const environment = spec.deployment?.environment ?? null;
  const { retriedBy: by = input.startedBy, proof } = input;
  return await authorize(tx, { ...deed, model: spec.model.name, environment, by, proof });
}

function parse(input: LifecycleInput): LifecycleSpec {
  const parsed = lifecycleSpecSchema.safeParse(input.spec);
  if (parsed.success) {
    // A retraining repeats a spec that came to its end once, perhaps under an earlier release that asked less of it.
    if (input.causedBy === null) requireSound(parsed.data, `lifecycle ${input.lifecycleId}`);
    return parsed.data;
  }
  const problems = parsed.error.issues
    .map((issue) => `  ${issue.path.join(".") || "(top)"}: ${issue.message}`)
    .join("\n");
  throw new Failure("SPEC_INVALID", { path: `lifecycle ${input.lifecycleId}`, problems });
}
