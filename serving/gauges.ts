import { ALARM_KINDS } from "../contracts/approval.ts";
import type { Gauge } from "./metrics.ts";
import type { PredictionLog } from "./log/prediction-log.ts";
import type { ServingRoutes } from "./routing-table.ts";

/** What is read at the moment somebody asks for the metrics. `openAlarms`: alarms nobody has acknowledged, by kind. */
export function createGauges(
  routes: ServingRoutes,
  log: PredictionLog,
  openAlarms: ReadonlyMap<string, number>,
): readonly Gauge[] {
  const counts = log.counts();
  const applied = routes.endpoints().flatMap((endpoint) => routes.route(endpoint) ?? []);
  const logged = (name: "accepted" | "written" | "dropped", help: string): Gauge => ({
    name: `modelwright_prediction_rows_${name}_total`,
    help,
    type: "counter",
    values: [{ labels: {}, value: counts[name] }],
  });
  return [
    logged("accepted", "Rows handed to the prediction log: always written + spilled + dropped."),
    logged("written", "Rows of the prediction log that Postgres has."),
    logged("dropped", "Rows of the prediction log that were lost."),
    {
      name: "modelwright_prediction_rows_spilled",
      help: "Rows of the prediction log on disk, on their way to Postgres.",
      type: "gauge",
      values: [{ labels: {}, value: counts.spilled }],
    },
    {
      name: "modelwright_alarms_open",
      help: "Alarms that nobody has acknowledged.",
      type: "gauge",
      values: ALARM_KINDS.map((kind) => ({ labels: { kind }, value: openAlarms.get(kind) ?? 0 })),
    },
    {
      name: "modelwright_routing_epoch",
      help: "Routing epoch being served.",
      type: "gauge",
      values: applied.map(({ route }) => ({ labels: { endpoint: route.endpoint }, value: route.epoch })),
    },
    {
      name: "modelwright_routing_confirmed",
      help: "1 when the epoch being served is whole and confirmed to the database.",
      type: "gauge",
      values: applied.map(({ route, confirmedAt }) => ({
        labels: { endpoint: route.endpoint },
        value: confirmedAt === null ? 0 : 1,
      })),
    },
    {
      name: "modelwright_waiting_rows",
      help: "Rows waiting for a model's process.",
      type: "gauge",
      values: applied.flatMap(({ route, champion, canary }) =>
        (["champion", "canary"] as const).flatMap((arm) => {
          const live = arm === "champion" ? champion : canary;
          return live ? [{ labels: { endpoint: route.endpoint, arm }, value: live.process.waitingRows() }] : [];
        }),
      ),
    },
  ];
}
