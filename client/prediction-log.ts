import { randomUUID } from "node:crypto";
import type { Client } from "@temporalio/client";
import { logSettingsDeed } from "../contracts/deeds.ts";
import type { LogSettings } from "../contracts/log-settings.ts";
import type { LogSettingsChange, Request } from "../contracts/messages.ts";
import { QUEUES, WORKFLOWS, workflowIds } from "../contracts/names.ts";
import type { Database } from "../db/client.ts";
import { loadLogSettings, type LogSettingsView } from "../db/queries/log-settings.ts";
import { reveal } from "../db/queries/reveal.ts";
import type { Acting } from "./acting.ts";
import { translated } from "./failures.ts";

/** What gateways keep of requests, and how long. */
export interface PredictionLogDeeds {
  /** Sets what is kept of an endpoint's requests, whatever its lifecycle's spec says; null takes that back. */
  readonly setLogSettings: (endpoint: string, settings: LogSettings | null, request: Request) => Promise<void>;
  /** Sets how many days of the log are kept besides today's, over all endpoints; null keeps them until somebody drops them. */
  readonly setLogRetention: (days: number | null, request: Request) => Promise<void>;
  /** What holds, or held then. */
  readonly logSettings: (options?: { readonly asOf?: Date }) => Promise<LogSettingsView>;
}

export function createPredictionLogDeeds(client: Client, database: Database, { sign }: Acting): PredictionLogDeeds {
  const change = async (
    what: Pick<LogSettingsChange, "endpoint" | "settings" | "retentionDays">,
    request: Request,
  ): Promise<void> => {
    const requestId = randomUUID();
    const proof = await sign(logSettingsDeed({ requestId, ...what }), request);
    const input: LogSettingsChange = { ...request, requestId, ...what, ...proof };
    await translated(
      client.workflow.execute(WORKFLOWS.logSettingsChange, {
        taskQueue: QUEUES.control,
        workflowId: workflowIds.logSettings(requestId),
        args: [input],
      }),
    );
  };
  return {
    setLogSettings: (endpoint, settings, request) => change({ endpoint, settings, retentionDays: null }, request),
    setLogRetention: (retentionDays, request) => change({ endpoint: null, settings: null, retentionDays }, request),
    logSettings: async ({ asOf } = {}) => await reveal(database, await translated(loadLogSettings(database, asOf))),
  };
}
