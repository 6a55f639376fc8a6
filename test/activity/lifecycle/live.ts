import type { LifecycleRun } from "../../../contracts/messages.ts";
import type { ActivityStage } from "./activity-stage.ts";

const STAGES = ["snapshotData", "validateData", "trainModel", "admitModel", "optimizeModel", "evaluateModel"] as const;

/** One lifecycle from its spec to its monitor, approved and promoted, without Temporal around it. */
export async function live(stage: ActivityStage, run: LifecycleRun, seed: number): Promise<void> {
  const spec = stage.project.spec({
    approval: { required: true },
    deployment: { endpoint: "tiny" },
    monitoring: { schedule: "0 4 * * *", windowMs: 28 * 24 * 3600 * 1000, drift: { columns: ["hour"] } },
  });
  const training = { ...spec.training, seed };
  await stage.run("acceptSpec", { ...run, spec: { ...spec, training }, startedBy: "ada", causedBy: null });
  for (const name of STAGES) await stage.run(name, run);
  await stage.run("awaitApproval", run);
  await stage.run("recordDecision", { ...run, decision: "approve", by: "grace", reason: "good" });
  const plan = await stage.run("planRollout", run);
  if (plan === null || plan === "unapproved") throw new Error("nothing to deploy");
  await stage.run("openRollout", plan);
  const end = { rolloutId: plan.rolloutId, status: "promoted", reason: "first" } as const;
  await stage.withGateway("tiny", () => stage.run("closeRollout", end));
  await stage.run("recordDeployment", { ...run, rollout: end });
  await stage.run("startMonitor", run);
}
