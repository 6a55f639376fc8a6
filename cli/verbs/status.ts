import type { Command } from "commander";
import type { Alarm, LifecycleSummary, Routing, StuckWork, WaitingRollout } from "../../client/index.ts";
import { parseLifecycleId } from "../../client/reference.ts";
import { describeWaiting } from "../../client/rollout-block.ts";
import { formatBasisPoints, formatDuration } from "../../client/text.ts";
import { brokenGlassLines } from "../broken-glass.ts";
import { answerOf } from "../follow.ts";
import type { Screen } from "../screen.ts";
import { renderTable, toneOf, type TableColumn } from "../table.ts";
import { answering, defineVerb, withStack } from "../verb.ts";

/** `status [ID]`: one lifecycle as it stands, or what there is. */
export function addStatus(program: Command): void {
  defineVerb(program, {
    usage: "status [id]",
    summary: "Show one lifecycle as it stands, or list lifecycles, endpoints, and rollouts that wait for one",
    details:
      "With an id the exit code says how it stands: 0 running or completed, 1 error, 2 a gate failed, 3 waiting for approval.",
    examples: ["status", "status flight-delay-1f2e3d4c --json"],
  }).action(
    answering(async (screen, id: string | undefined) =>
      withStack(async (modelwright) => {
        if (id !== undefined) return answerOf(await modelwright.lifecycle(parseLifecycleId(id)), screen);
        const [lifecycles, endpoints, waiting, stuck, alarms, brokenGlass] = await Promise.all([
          modelwright.lifecycles(),
          modelwright.endpoints(),
          modelwright.waitingRollouts(),
          modelwright.stuck(),
          modelwright.alarms({ open: true }),
          modelwright.brokenGlass(),
        ]);
        return {
          document: { lifecycles, endpoints, waiting, stuck, alarms, brokenGlass },
          lines: [
            ...describe(screen, lifecycles, endpoints),
            ...waitingLines(screen, waiting),
            ...stuckLines(screen, stuck),
            ...brokenGlassLines(screen, brokenGlass),
            ...alarmLines(screen, alarms),
          ],
        };
      }),
    ),
  );
}

function waitingLines({ paint }: Screen, waiting: readonly WaitingRollout[]): string[] {
  if (waiting.length === 0) return [];
  return ["", ...waiting.map((one) => paint("open", describeWaiting(one)))];
}

function stuckLines({ paint }: Screen, stuck: readonly StuckWork[]): string[] {
  if (stuck.length === 0) return [];
  const ago = ({ since }: StuckWork) => formatDuration(Date.now() - since.getTime());
  return ["", ...stuck.map((one) => paint("bad", `${one.subject} has not moved for ${ago(one)}; see its workflow`))];
}

function alarmLines({ paint }: Screen, alarms: readonly Alarm[]): string[] {
  if (alarms.length === 0) return [];
  return ["", paint("bad", `${alarms.length} open alarm${alarms.length === 1 ? "" : "s"}: modelwright alarms --open`)];
}

function describe(screen: Screen, lifecycles: readonly LifecycleSummary[], endpoints: readonly Routing[]): string[] {
  if (lifecycles.length === 0 && endpoints.length === 0) {
    return ["No lifecycle yet.", screen.paint("soft", "start one: modelwright start SPEC --as WHO")];
  }
  const columns: TableColumn<LifecycleSummary>[] = [
    { title: "lifecycle", value: ({ id }) => id },
    { title: "status", value: ({ status }) => status, tone: ({ status }) => toneOf(status) },
    {
      title: "started",
      value: ({ startedAt }) => `${formatDuration(Date.now() - startedAt.getTime())} ago`,
      align: "right",
    },
    { title: "by", value: ({ startedBy }) => startedBy },
    { title: "outcome", value: ({ outcome, failureCode }) => outcome || failureCode, flexible: true },
  ];
  const lines = renderTable(screen, columns, lifecycles);
  return endpoints.length === 0 ? lines : [...lines, "", ...endpointTable(screen, endpoints)];
}

function endpointTable(screen: Screen, endpoints: readonly Routing[]): string[] {
  const named = (version: Routing["champion"]) => (version ? `${version.model}@${version.number}` : "");
  const columns: TableColumn<Routing>[] = [
    { title: "endpoint", value: ({ endpoint }) => endpoint },
    { title: "environment", value: ({ environment }) => environment },
    { title: "champion", value: ({ champion }) => named(champion) },
    {
      title: "canary",
      value: ({ canary, canaryShare }) => (canary ? `${named(canary)} (${formatBasisPoints(canaryShare)})` : ""),
    },
    { title: "epoch", value: ({ epoch }) => epoch, align: "right" },
    { title: "because", value: ({ reason }) => reason, flexible: true },
  ];
  return renderTable(screen, columns, endpoints);
}
