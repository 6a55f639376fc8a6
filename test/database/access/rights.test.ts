import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { createTestDatabase, type TestDatabase } from "../../support/database.ts";

/**
 * Attack A10: "append-only" that is only a comment. The live catalogue is asked what every role may do with every table, view,
 * sequence and function, and the answer must be exactly this; an object that is not named here fails (a sequence nobody may
 * touch needs no name).
 */
let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(async () => {
  await test.close();
});

/** Read by the application and by auditors; by members too, as far as row security lets them. */
const SEEN_BY_TEAM = [
  "alarm",
  "alarm_acknowledgement",
  "approval",
  "approval_policy",
  "artifact",
  "break_glass",
  "break_glass_use",
  "dataset_snapshot",
  "decision_count",
  "decision_unit",
  "deployment_look",
  "drift_check",
  "endpoint",
  "evaluation",
  "execution",
  "feedback",
  "feedback_conflict",
  "gate_verdict",
  "gateway_report",
  "gateway_route",
  "generated",
  "lifecycle",
  "lineage_node",
  "log_settings",
  "metric_value",
  "model",
  "model_state",
  "model_version",
  "monitor",
  "person_name",
  "person_text",
  "prediction",
  "promotion",
  "registry_entry",
  "retrain_decision",
  "rollout",
  "rollout_override",
  "rollout_turn",
  "routing_epoch",
  "stage_run",
  "used",
  "version_state",
];
/** Read by the application and by auditors. */
const SEEN_BY_AUDITORS = [
  "api_token",
  "audit_checkpoint",
  "audit_event",
  "audit_head",
  "audit_node",
  "compromise",
  "gateway",
  "gateway_log",
  "identity_setting",
  "operation",
  "principal",
  "role_grant",
  "role_revocation",
  "schema_migration",
  "signed_statement",
  "team_membership",
  "token_revocation",
];
/** Read as said. */
const SEEN_OTHERWISE: Readonly<Record<string, string>> = {
  environment: "application auditor member",
  stuck_work: "application auditor",
  team_login: "auditor member",
  version_place: "application auditor member",
};
/** Functions only the application may call, besides `record_TABLE`; they run as the owner. */
const WRITTEN_BY = [
  "actor_ref",
  "approval_policy_in_force",
  "commit_text",
  "compromised_at",
  "confirm_route",
  "drop_expired_prediction_days",
  "end_rollout",
  "end_turn",
  "ensure_prediction_partitions",
  "erase_person",
  "erase_said",
  "find_actor_ref",
  "finish_stage_run",
  "keep_audit_nodes",
  "lock_audit_head",
  "lock_endpoint",
  "lock_model",
  "log_predictions",
  "record_audit",
  "record_execution",
  "record_feedback",
  "record_gateway_at",
  "record_gateway_seen",
  "remove_gateway",
  "register_version",
  "report_version",
  "set_lease",
  "set_lifecycle_status",
  "set_monitor_active",
  "ship_gateway_log",
  "standing_evaluation",
  "start_stage_run",
  "take_gateway_stretch",
  "take_turn",
];
/** Functions everybody may call: they read as who asks, so row security holds in them. */
const ASKED_BY_ALL = [
  "downstream_executions",
  "making_executions",
  "model_document",
  "registry_facet",
  "registry_facets",
  "registry_put",
  "registry_state",
  "registry_states",
  "registry_text",
  "registry_truth",
  "search_versions",
  "slice_facet",
  "slice_facets",
  "upstream_executions",
  "version_document",
];
/** Tables that rows get into by `record_TABLE`. */
const RECORDED = [
  "alarm",
  "alarm_acknowledgement",
  "api_token",
  "approval",
  "approval_policy",
  "artifact",
  "audit_checkpoint",
  "break_glass",
  "break_glass_use",
  "compromise",
  "dataset_snapshot",
  "deployment_look",
  "drift_check",
  "endpoint",
  "environment",
  "evaluation",
  "gate_verdict",
  "identity_setting",
  "lifecycle",
  "log_settings",
  "metric_value",
  "model",
  "model_version",
  "monitor",
  "operation",
  "principal",
  "promotion",
  "registry_entry",
  "retrain_decision",
  "role_grant",
  "role_revocation",
  "rollout",
  "rollout_override",
  "routing_epoch",
  "signed_statement",
  "team_membership",
  "token_revocation",
];

/** Everything granted to anybody but the owner, on whole objects and on columns. */
const GRANTS = `
  SELECT relname AS object, privilege_type AS "right",
    coalesce(replace(grantee::regrole::text, 'modelwright_', ''), 'PUBLIC') AS role, is_grantable AS passed_on
  FROM pg_class, LATERAL (SELECT * FROM aclexplode(relacl) UNION ALL
    SELECT acl.* FROM pg_attribute, aclexplode(attacl) AS acl WHERE attrelid = pg_class.oid) AS acl
  WHERE relnamespace = 'public'::regnamespace AND grantee <> relowner ORDER BY 1, 3, 2`;

async function ask<Row extends object>(statement: string): Promise<Row[]> {
  return (await test.admin.query<Row>(statement)).rows;
}

describe("A10: the live catalogue", () => {
  it("lets every role read what is written here, and write nothing", async () => {
    const found = new Map<string, string[]>();
    const objects = await ask<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
       AND NOT relispartition ORDER BY 1`,
    );
    for (const { name } of objects) found.set(name, []);
    const strong: string[] = [];
    for (const { object, right, role, passed_on: passedOn } of await ask<{
      object: string;
      right: string;
      role: string;
      passed_on: boolean;
    }>(GRANTS)) {
      if (right !== "SELECT" || passedOn) strong.push(`${role} ${right} ${object}`);
      found.set(object, [...(found.get(object) ?? []), role]);
    }
    const days = await ask<{ name: string }>(
      "SELECT relname AS name FROM pg_class WHERE relispartition AND relname ~ '^prediction_[0-9]{8}$' ORDER BY 1",
    );
    // Where rows are copied into; the role by which they are has nothing else.
    expect(days.length).toBeGreaterThan(0);
    expect(strong).toEqual(days.map(({ name }) => `log INSERT ${name}`));
    for (const { name } of days) found.delete(name);
    expect(Object.fromEntries([...found].map(([object, roles]) => [object, roles.join(" ")]))).toEqual({
      ...Object.fromEntries(SEEN_BY_TEAM.map((name) => [name, "application auditor member"])),
      ...Object.fromEntries(SEEN_BY_AUDITORS.map((name) => [name, "application auditor"])),
      ...SEEN_OTHERWISE,
    });
  });

  it("has row security on every table members read, which binds the owner too, and on no other", async () => {
    const rows = await ask<{ name: string; forced: boolean; members: string }>(
      `SELECT relname AS name, relforcerowsecurity AS forced, (SELECT string_agg(cmd, ' ') FROM pg_policies
         WHERE tablename = relname AND roles = '{modelwright_member}') AS members
       FROM pg_class WHERE relrowsecurity AND relnamespace = 'public'::regnamespace ORDER BY 1`,
    );
    const expected = [...SEEN_BY_TEAM, "team_login"].sort();
    expect(rows).toEqual(expected.map((name) => ({ name, forced: true, members: "SELECT" })));
  });

  it("lets every role call these functions, and no other", async () => {
    const rows = await ask<{ name: string; roles: string }>(
      `SELECT proname AS name, string_agg(DISTINCT replace(role, 'modelwright_', ''), ' ') AS roles FROM pg_proc,
         unnest(ARRAY['modelwright_application', 'modelwright_auditor', 'modelwright_log', 'modelwright_member']) AS role
       WHERE pronamespace = 'public'::regnamespace AND has_function_privilege(role, pg_proc.oid, 'EXECUTE') GROUP BY 1`,
    );
    expect(Object.fromEntries(rows.map(({ name, roles }) => [name, roles]))).toEqual({
      ...Object.fromEntries(ASKED_BY_ALL.map((name) => [name, "application auditor member"])),
      ...Object.fromEntries(WRITTEN_BY.map((name) => [name, "application"])),
      ...Object.fromEntries(RECORDED.map((table) => [`record_${table}`, "application"])),
    });
  });

  it("records every column of a table, but for what the database finds itself", async () => {
    const rows = await ask(
      `SELECT relname, attname FROM pg_proc JOIN pg_class ON proname = 'record_' || relname
         JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped AND attidentity = '' AND attgenerated = ''
         LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
       WHERE relname IN ('${RECORDED.join("', '")}') AND coalesce(pg_get_expr(adbin, adrelid), '') NOT LIKE 'nextval(%'
         AND quote_ident(attname) <> ALL (string_to_array(substring(prosrc FROM 'INSERT INTO \\w+ \\((.*?)\\) SELECT'), ', '))`,
    );
    expect(rows).toEqual([]);
  });

  it("runs what only the application calls as the owner, and nothing else a reader may call", async () => {
    const rows = await ask<{ name: string; owner: boolean }>(
      `SELECT proname AS name, prosecdef AS owner FROM pg_proc WHERE pronamespace = 'public'::regnamespace
         AND has_function_privilege('modelwright_application', oid, 'EXECUTE')`,
    );
    expect(new Set(rows.filter(({ owner }) => !owner).map(({ name }) => name))).toEqual(new Set(ASKED_BY_ALL));
  });

  it("runs nothing as the owner without a search path nobody else can put anything into", async () => {
    const rows = await ask<{ name: string }>(
      `SELECT proname AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef
         AND NOT coalesce(proconfig, '{}') @> ARRAY['search_path=pg_catalog, public, pg_temp']`,
    );
    expect(rows).toEqual([]);
  });

  it("has views that read as who asks", async () => {
    const rows = await ask<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace
         AND NOT coalesce(reloptions, '{}') @> ARRAY['security_invoker=true']`,
    );
    expect(rows).toEqual([]);
  });

  it("has groups that cannot log in, own nothing and belong to nobody, but for the one by which rows are copied", async () => {
    const rows = await ask<{ role: string; fine: boolean; becomes: string[] }>(
      `SELECT rolname AS role, NOT (rolcanlogin OR rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)
         AND NOT EXISTS (SELECT FROM pg_class WHERE relowner = pg_roles.oid) AS fine,
         ARRAY(SELECT roleid::regrole || CASE WHEN inherit_option OR admin_option THEN ', with its powers' ELSE '' END
           FROM pg_auth_members WHERE member = pg_roles.oid) AS becomes
       FROM pg_roles WHERE rolname IN ('modelwright_application', 'modelwright_auditor', 'modelwright_log', 'modelwright_member')
       ORDER BY 1`,
    );
    expect(rows).toEqual([
      { role: "modelwright_application", fine: true, becomes: ["modelwright_log"] },
      { role: "modelwright_auditor", fine: true, becomes: [] },
      { role: "modelwright_log", fine: true, becomes: [] },
      { role: "modelwright_member", fine: true, becomes: [] },
    ]);
  });
});
