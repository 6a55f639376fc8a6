import { logSettingsDeed, logSubject } from "../contracts/deeds.ts";
import { Failure } from "../contracts/failures.ts";
import { logSettingsSchema, retentionDaysSchema, type LogSettings } from "../contracts/log-settings.ts";
import type { ExpiredDays, LogSettingsChange } from "../contracts/messages.ts";
import { digestOf } from "../db/canonical.ts";
import type { Transaction } from "../db/client.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { dropExpiredDays as dropDays } from "../db/queries/gateway-log.ts";
import { recordLogSettings } from "../db/queries/log-settings.ts";
import { runOperation } from "../db/queries/operation.ts";
import { loadRouting } from "../db/queries/routing.ts";
import type { Place } from "../core/identity/judge-authority.ts";
import { authorize } from "./authorize.ts";
import type { Dependencies } from "./dependencies.ts";
import { operationContext } from "./operation-context.ts";

/** Sets what gateways keep of an endpoint's requests, or how long the log is kept, or takes back what was set. */
export async function changeLogSettings(
  { database }: Pick<Dependencies, "database">,
  change: LogSettingsChange,
): Promise<{ setting: string }> {
  const { requestId, endpoint } = change;
  const settings = change.settings === null ? null : logSettingsSchema.parse(change.settings);
  const retentionDays = change.retentionDays === null ? null : retentionDaysSchema.parse(change.retentionDays);
  const request = { requestId, endpoint, settings, retentionDays };
  const operation = { key: `log-settings/${requestId}`, request, context: operationContext() };
  return runOperation(database, operation, async (tx) => {
    const place = endpoint === null ? { model: null, environment: null } : await requirePlace(tx, endpoint, settings);
    const { by, reason, statement } = await authorize(tx, { ...change, ...logSettingsDeed(change), ...place });
    const setting = await recordLogSettings(tx, { endpoint, settings, retentionDays, by, reason });
    await recordAudit(tx, {
      actor: by,
      statement,
      subject: logSubject(endpoint),
      body: { kind: "log-settings-set", setting, settings: settings && digestOf(settings), retentionDays, reason },
    });
    return { setting };
  });
}

/**
 * Where the endpoint belongs. A rule for a column that none of its versions has is refused: a misspelt name would leave the column it
 * meant to what holds without a rule.
 *
 * @throws INPUT_INVALID
 */
async function requirePlace(tx: Transaction, endpoint: string, settings: LogSettings | null): Promise<Place> {
  const [routing] = await loadRouting(tx, { endpoint });
  const where = `endpoint ${endpoint}`;
  if (!routing)
    throw new Failure("INPUT_INVALID", { where, problems: "nothing is served there; deploy a version first" });
  const columns = [routing.champion, routing.canary].flatMap((version) =>
    (version?.signature.inputs ?? []).flatMap(({ features }) => features.map(({ column }) => column)),
  );
  const unknown = Object.keys(settings?.fields ?? {}).filter((name) => !columns.includes(name));
  if (unknown.length === 0) return { model: routing.model, environment: routing.environment };
  const problems = `its versions have no column ${unknown.join(", ")}; allowed: ${[...new Set(columns)].join(", ")}`;
  throw new Failure("INPUT_INVALID", { where, problems });
}

/** Drops the days of the log whose time is over by the retention that is set. Repeated, it finds nothing more to do. */
export const dropExpiredDays: DropExpiredDays = async ({ database }) =>
  await database.transaction(async (tx) => {
    const { retention, before, days, rowCount } = await dropDays(tx);
    if (retention !== null && before !== null && (days.length > 0 || rowCount > 0)) {
      await recordAudit(tx, {
        actor: "service/retention",
        subject: logSubject(null),
        body: { kind: "predictions-dropped", before, rowCount, reason: "", retention },
      });
    }
    return { before, dayCount: days.length, rowCount };
  });

/** One object in, as every activity; there is nothing to say in it. */
type DropExpiredDays = (dependencies: Pick<Dependencies, "database">, input: object) => Promise<ExpiredDays>;
