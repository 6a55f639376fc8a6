import { getTableColumns, getTableName, is } from "drizzle-orm";
import { PgTable, type PgColumn } from "drizzle-orm/pg-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { IDENTITY_MODES, PRINCIPAL_KINDS, ROLES } from "../../contracts/identity.ts";
import { ALARM_KINDS, APPROVAL_DECISIONS } from "../../contracts/approval.ts";
import {
  ARMS,
  ARTIFACT_KINDS,
  DRIFT_VERDICTS,
  EXECUTION_KINDS,
  LIFECYCLE_STATUSES,
  LINEAGE_ROLES,
  METRICS,
  REGISTRY_ATTRIBUTES,
  ROLLOUT_STATUSES,
  ROLLOUT_VERDICTS,
  STAGES,
  STAGE_STATUSES,
  VERDICTS,
  VERSION_ORIGINS,
} from "../../contracts/names.ts";
import * as access from "../../db/schema/access.ts";
import * as approvals from "../../db/schema/approval.ts";
import * as artifacts from "../../db/schema/artifact.ts";
import * as counts from "../../db/schema/decision-count.ts";
import * as evaluations from "../../db/schema/evaluation.ts";
import * as evidence from "../../db/schema/evidence.ts";
import * as identities from "../../db/schema/identity.ts";
import * as lineage from "../../db/schema/lineage.ts";
import * as lifecycles from "../../db/schema/lifecycle.ts";
import * as models from "../../db/schema/model.ts";
import * as monitors from "../../db/schema/monitor.ts";
import * as predictions from "../../db/schema/prediction.ts";
import * as registry from "../../db/schema/registry.ts";
import * as rollouts from "../../db/schema/rollout.ts";
import * as routing from "../../db/schema/routing.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

const modules = [
  approvals,
  access,
  artifacts,
  counts,
  evaluations,
  evidence,
  identities,
  lifecycles,
  lineage,
  models,
  monitors,
  predictions,
  registry,
  rollouts,
  routing,
];
const tables = modules.flatMap((exports) => Object.values(exports)).filter((found) => is(found, PgTable));

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(async () => {
  await test.close();
});

/** Drizzle's spelling of a type in the catalogue's. */
const catalogueType = (column: PgColumn): string =>
  column.getSQLType().endsWith("[]") ? "ARRAY" : column.getSQLType();

describe("the drizzle schema", () => {
  it("names every table of the database and no other", async () => {
    const { rows } = await test.admin.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
         AND NOT relispartition AND relname <> 'schema_migration' ORDER BY 1`,
    );
    expect(tables.map((table) => getTableName(table)).sort()).toEqual(rows.map(({ name }) => name));
  });

  it.each(tables.map((table) => [getTableName(table), table] as const))(
    "agrees with the columns, types and nullability of %s",
    async (name, table) => {
      const { rows } = await test.admin.query<{ column: string; type: string; required: boolean; filled: boolean }>(
        `SELECT column_name AS column, data_type AS type, is_nullable = 'NO' AS required, column_default IS NOT NULL OR is_identity = 'YES' AS filled
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1 ORDER BY 1`,
        [name],
      );
      const declared = Object.values(getTableColumns(table))
        .map((column: PgColumn) => ({
          column: column.name,
          type: catalogueType(column),
          required: column.notNull,
          filled: column.hasDefault,
        }))
        .sort((a, b) => (a.column < b.column ? -1 : 1));
      expect(declared).toEqual(rows);
    },
  );
});

describe("the closed lists of names", () => {
  it.each([
    ["artifact", "kind", ARTIFACT_KINDS],
    ["lifecycle", "status", LIFECYCLE_STATUSES],
    ["stage_run", "stage", STAGES],
    ["stage_run", "status", STAGE_STATUSES],
    ["stage_run", "verdict", VERDICTS],
    ["model_version", "origin", VERSION_ORIGINS],
    ["evaluation", "verdict", VERDICTS],
    ["metric_value", "metric", METRICS],
    ["gate_verdict", "verdict", VERDICTS],
    ["approval", "decision", APPROVAL_DECISIONS],
    ["alarm", "kind", ALARM_KINDS],
    ["rollout", "status", ROLLOUT_STATUSES],
    ["deployment_look", "verdict", ROLLOUT_VERDICTS],
    ["prediction", "arm", ARMS],
    ["prediction", "outcome", predictions.PREDICTION_OUTCOMES],
    ["drift_check", "verdict", DRIFT_VERDICTS],
    ["retrain_decision", "decision", monitors.RETRAIN_DECISIONS],
    ["registry_entry", "attribute", REGISTRY_ATTRIBUTES],
    ["principal", "kind", PRINCIPAL_KINDS],
    ["role_grant", "role", ROLES],
    ["identity_setting", "mode", IDENTITY_MODES],
    ["execution", "kind", EXECUTION_KINDS],
  ])("are the same in the check of %s.%s", async (table, column, names) => {
    const { rows } = await test.admin.query<{ definition: string }>(
      `SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint
       WHERE conrelid = $1::regclass AND contype = 'c' AND conname = $2`,
      [table, `${table}_${column}_check`],
    );
    const allowed = [...(rows[0]?.definition ?? "").matchAll(/'([^']*)'::text/g)].map((match) => match[1]);
    expect(new Set(allowed)).toEqual(new Set(names));
  });
});

it("the roles of lineage are the same in their domain", async () => {
  const { rows } = await test.admin.query<{ definition: string }>(
    "SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint WHERE contypid = 'lineage_role'::regtype",
  );
  const allowed = [...(rows[0]?.definition ?? "").matchAll(/'([^']*)'::text/g)].map((match) => match[1]);
  expect(new Set(allowed)).toEqual(new Set(LINEAGE_ROLES));
});
