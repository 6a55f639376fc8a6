import type { CheckResult, DataChecks, ValidationReport } from "../../contracts/data.ts";
import type { DataCheck, DataFacts } from "./checks/data-check.ts";
import { datasetsOf } from "./checks/data-check.ts";
import { DATA_CHECK_REGISTRY } from "./checks/registry.ts";

/**
 * Runs every check over the facts. The data passes when every result passes; one failure fails it, and else one
 * inconclusive result makes it inconclusive. No result at all is a failure: nothing was proven.
 */
export function judgeData(
  facts: DataFacts,
  settings: DataChecks,
  registry: readonly DataCheck[] = Object.values(DATA_CHECK_REGISTRY),
): ValidationReport {
  const checks = registry.flatMap((check) =>
    check.judge(facts, settings).map((result): CheckResult => ({ check: check.name, ...result })),
  );
  const datasets = datasetsOf(facts).map(({ name, rowCount, columns }) => ({ name, rowCount, columns: [...columns] }));
  return { verdict: overall(checks), executedCount: checks.length, checks, datasets };
}

function overall(checks: readonly CheckResult[]): ValidationReport["verdict"] {
  if (checks.length === 0 || checks.some(({ verdict }) => verdict === "fail")) return "fail";
  return checks.some(({ verdict }) => verdict === "inconclusive") ? "inconclusive" : "pass";
}
