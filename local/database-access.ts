import { DatabaseError } from "pg";
import type { AuditBody } from "../contracts/audit.ts";
import { Failure } from "../contracts/failures.ts";
import { openDatabase, type Transaction } from "../db/client.ts";
import { createLogin, listLogins, removeLogin, type Login, type LoginRequest } from "../db/logins.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { dropPredictionDays, type DroppedDays } from "../db/queries/gateway-log.ts";
import { attribute, findActorRef } from "../db/queries/person.ts";
import { requireModel } from "../db/queries/model.ts";
import { recordEntries } from "../db/queries/registry/entries.ts";
import { model } from "../db/schema/model.ts";

/** What only the database's owner does: logins of people who read with tools of their own, whose a model is, and what is dropped. */
export interface DatabaseAccess {
  /** Makes a login; its address holds the password and is told this once. */
  createLogin(request: LoginRequest & Attributed): Promise<{ login: string; address: string }>;
  /** Takes a login away, and ends its sessions. Fails with INPUT_INVALID when there is none. */
  removeLogin(
    request: Pick<LoginRequest, "name" | "role"> & Attributed,
  ): Promise<{ login: string; sessionsEnded: number }>;
  /** Gives a model to a team, or with null to everybody. */
  setTeam(change: { readonly model: string; readonly team: string | null } & Attributed): Promise<void>;
  /** Drops the days of the prediction log before an ISO date (UTC). */
  dropPredictions(order: { readonly before: string } & Attributed): Promise<DroppedDays>;
  show(): Promise<AccessOverview>;
  close(): Promise<void>;
}

interface Attributed {
  readonly by: string;
  readonly reason: string;
}

export interface AccessOverview {
  readonly logins: readonly Login[];
  /** Models that are a team's. */
  readonly teams: readonly { readonly model: string; readonly team: string }[];
}

/** Opens the database as its owner, named by DATABASE_ADMIN_URL. Fails with INPUT_INVALID without it. */
export function openDatabaseAccess(env: NodeJS.ProcessEnv): DatabaseAccess {
  const adminUrl = env["DATABASE_ADMIN_URL"];
  if (!adminUrl) {
    const problems =
      "it is not set and no stack of `modelwright up` runs here, and only the owner of the database does this; set it to the address `migrate` was given";
    throw new Failure("INPUT_INVALID", { where: "DATABASE_ADMIN_URL", problems });
  }
  const database = openDatabase({ url: adminUrl, maximumConnections: 1 });
  return {
    createLogin: async ({ by, reason, ...request }) => {
      const { login, password } = await database.transaction(async (tx) => {
        const made = await createLogin(tx, request);
        const { role, teams } = request;
        await recordOfLogin(tx, request.name, { by, reason }, { kind: "login-created", role, teams: [...teams] });
        return made;
      });
      const address = new URL(adminUrl);
      address.username = login;
      address.password = password;
      return { login, address: address.href };
    },
    removeLogin: async ({ by, reason, name, role }) =>
      await database.transaction(async (tx) => {
        const removed = await removeLogin(tx, { name, role });
        await recordOfLogin(tx, name, { by, reason }, { kind: "login-removed", role });
        return removed;
      }),
    setTeam: async ({ model: name, team, by, reason }) => {
      await database.transaction(async (tx) => {
        await requireModel(tx, name);
        const said = await attribute(tx, { by, reason });
        // Part of the model's history, as everything that is said of it; what members see follows.
        const sayings = [{ attribute: "team", key: "", value: team } as const];
        await recordEntries(tx, { model: name, number: null, sayings, validFrom: null, ...said });
        const body: AuditBody = { kind: "team-set", team, reason: said.reason };
        await recordAudit(tx, { actor: said.by, subject: `model/${name}`, body });
      });
    },
    dropPredictions: async ({ before, by, reason }) =>
      await database.transaction(async (tx) => {
        const dropped = await dropPredictionDays(tx, before).catch((cause: unknown) => {
          throw inUse(before, cause) ?? cause;
        });
        const said = await attribute(tx, { by, reason });
        const body: AuditBody = {
          kind: "predictions-dropped",
          before,
          rowCount: dropped.rowCount,
          reason: said.reason,
        };
        await recordAudit(tx, { actor: said.by, subject: "prediction-log/all", body });
        return dropped;
      }),
    show: async () => {
      const teams = await database.select({ model: model.name, team: model.team }).from(model).orderBy(model.name);
      return {
        logins: await listLogins(database),
        teams: teams.flatMap((one) => (one.team === null ? [] : [{ model: one.model, team: one.team }])),
      };
    },
    close: async () => await database.close(),
  };
}

type LoginBody = Extract<AuditBody, { kind: "login-created" | "login-removed" }>;
type Unreasoned<Body> = Body extends unknown ? Omit<Body, "reason"> : never;

async function recordOfLogin(
  tx: Transaction,
  name: string,
  attributed: Attributed,
  body: Unreasoned<LoginBody>,
): Promise<void> {
  const { by: actor, reason } = await attribute(tx, attributed);
  // The name of a login is often a person's.
  await recordAudit(tx, { actor, subject: `login/${await refOf(tx, name)}`, body: { ...body, reason } });
}

function inUse(before: string, thrown: unknown): Failure | null {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  if (!(cause instanceof DatabaseError) || cause.constraint !== "prediction_days_in_use") return null;
  const problems = `${cause.message}; end it first, or drop fewer days`;
  return new Failure("INPUT_INVALID", { where: `the prediction log before ${before}`, problems }, { cause: thrown });
}

async function refOf(tx: Transaction, name: string): Promise<string> {
  return (await findActorRef(tx, name)) ?? (await attribute(tx, { by: name, reason: "" })).by;
}
