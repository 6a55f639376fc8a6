-- Writes go through functions that run as the owner; 0012 then takes the application's own rights to write away. Auditors read
-- everything, members what belongs to their teams.

-- Functions made from here on are nobody's until they are granted.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION refuse_change(), start_row(), guard_lifecycle_status(), guard_stage_run(), take_version_number(),
  advance_version_number(), check_evaluation_verdict(), guard_rollout_status(), check_epoch_order(), apply_epoch(),
  check_promotion_evidence(), extend_audit_chain(), require_audit_event() FROM PUBLIC;

CREATE OR REPLACE FUNCTION make_append_only(append_only_table regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', append_only_table);
  EXECUTE format('GRANT SELECT ON %s TO modelwright_application, modelwright_auditor', append_only_table);
END $$;

-- The INSERT of JSON rows ($1) that names the columns the rows name, so that the others get their defaults. Made anew at each
-- call: a list of columns written into the function would silently leave out those a later migration adds.
CREATE FUNCTION insert_statement(recorded_table regclass, given jsonb, conflict text) RETURNS text LANGUAGE plpgsql STABLE
  SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  names text[] := ARRAY(SELECT DISTINCT jsonb_object_keys(element) FROM jsonb_array_elements(given) AS element);
  columns text;
  unknown text;
BEGIN
  SELECT string_agg(format('%I', attname), ', ' ORDER BY attnum) INTO columns
    FROM pg_attribute WHERE attrelid = recorded_table AND attnum > 0 AND NOT attisdropped AND attname = ANY (names);
  SELECT name INTO unknown FROM unnest(names) AS name WHERE NOT EXISTS (SELECT FROM pg_attribute
    WHERE attrelid = recorded_table AND attnum > 0 AND NOT attisdropped AND attname = name) LIMIT 1;
  IF unknown IS NOT NULL THEN
    RAISE EXCEPTION '% has no column "%"', recorded_table, unknown USING ERRCODE = 'undefined_column';
  END IF;
  RETURN format('INSERT INTO %1$s (%2$s) SELECT %2$s FROM jsonb_populate_recordset(NULL::%1$s, $1) %3$s RETURNING *',
    recorded_table, columns, 'ON CONFLICT ' || conflict || ' DO NOTHING');
END $$;

-- Makes `record_TABLE(rows)`, the one way rows get into the table: a JSON array of rows in, the rows as recorded out. With
-- `conflict`, a target as in '(id)' or '' for any, rows that meet one are left out.
CREATE FUNCTION make_recorded(recorded_table regclass, conflict text DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $make$
DECLARE
  recorder text := quote_ident('record_' || (SELECT relname FROM pg_class WHERE oid = recorded_table));
BEGIN
  EXECUTE format($define$
    CREATE OR REPLACE FUNCTION %1$s(rows jsonb) RETURNS SETOF %2$s LANGUAGE plpgsql
      SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    BEGIN
      RETURN QUERY EXECUTE insert_statement(%2$L, rows, %3$L) USING rows;
    END $$ $define$, recorder, recorded_table, conflict);
  EXECUTE format('REVOKE EXECUTE ON FUNCTION %s(jsonb) FROM PUBLIC', recorder);
  EXECUTE format('GRANT EXECUTE ON FUNCTION %s(jsonb) TO modelwright_application', recorder);
END $make$;

SELECT make_recorded(recorded, conflict) FROM (VALUES
  ('artifact'::regclass, ''), ('dataset_snapshot', ''), ('model', ''), ('lifecycle', '(id)'),
  ('model_version', '(lifecycle, round, name)'), ('evaluation', '(stage_run, model_version)'), ('metric_value', NULL),
  ('gate_verdict', NULL), ('approval', '(lifecycle, round)'), ('environment', ''), ('endpoint', ''), ('rollout', ''),
  ('deployment_look', ''), ('routing_epoch', NULL), ('promotion', NULL), ('monitor', ''),
  ('drift_check', '(monitor, scheduled_at)'), ('retrain_decision', NULL), ('lineage_edge', ''), ('operation', NULL)
) AS given (recorded, conflict);

-- What changes, each change a function of its own. A change of nothing returns no row. The triggers of the tables guard the
-- order of states here as everywhere.

CREATE FUNCTION describe_model(model_name text, new_purpose text) RETURNS void LANGUAGE sql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  UPDATE model SET purpose = new_purpose WHERE name = model_name
$$;

-- One decision about a model at a time.
CREATE FUNCTION lock_model(model_name text) RETURNS void LANGUAGE sql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT FROM model WHERE name = model_name FOR UPDATE
$$;

-- The outcome stays as it is when none is given.
CREATE FUNCTION set_lifecycle_status(lifecycle_id text, new_status text, new_outcome text, new_failure_code text)
  RETURNS SETOF lifecycle LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  UPDATE lifecycle SET status = new_status, outcome = coalesce(new_outcome, outcome), failure_code = new_failure_code
    WHERE id = lifecycle_id RETURNING *
$$;

-- Each start takes the next attempt number. A run that passed or was inconclusive stays.
CREATE FUNCTION start_stage_run(new_id uuid, of_lifecycle text, of_stage text, of_round integer, new_config jsonb)
  RETURNS SETOF stage_run LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  INSERT INTO stage_run (id, lifecycle, stage, round, config) VALUES (new_id, of_lifecycle, of_stage, of_round, new_config)
    ON CONFLICT (lifecycle, stage, round) DO UPDATE SET attempt = stage_run.attempt + 1, status = 'running',
      config = excluded.config, verdict = NULL, result = NULL, failure = NULL, headline = NULL
      WHERE stage_run.status NOT IN ('passed', 'inconclusive')
    RETURNING *
$$;

-- Only the attempt that holds the run ends it, and once.
CREATE FUNCTION finish_stage_run(run_id uuid, of_attempt integer, new_status text, new_verdict text, new_result jsonb,
  new_failure jsonb, new_headline text)
  RETURNS SETOF stage_run LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  UPDATE stage_run SET status = new_status, verdict = new_verdict, result = new_result, failure = new_failure,
      headline = new_headline
    WHERE id = run_id AND attempt = of_attempt AND finished_at IS NULL RETURNING *
$$;

CREATE FUNCTION lock_endpoint(endpoint_name text)
  RETURNS SETOF endpoint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT * FROM endpoint WHERE name = endpoint_name FOR UPDATE
$$;

-- Makes the share of an epoch's canary valid for so long from now; without a duration the lease ends. No row when the epoch is
-- not the endpoint's any more.
CREATE FUNCTION set_lease(endpoint_name text, of_epoch integer, lease_ms double precision)
  RETURNS SETOF endpoint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  UPDATE endpoint SET lease_until = clock_timestamp() + lease_ms * interval '1 millisecond'
    WHERE name = endpoint_name AND current_epoch = of_epoch RETURNING *
$$;

CREATE FUNCTION end_rollout(rollout_id text, new_status text, new_outcome text)
  RETURNS SETOF rollout LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  UPDATE rollout SET status = new_status, outcome = new_outcome
    WHERE id = rollout_id AND status <> new_status RETURNING *
$$;

CREATE FUNCTION set_monitor_active(monitor_id text, now_active boolean)
  RETURNS SETOF monitor LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  UPDATE monitor SET active = now_active WHERE id = monitor_id RETURNING *
$$;

CREATE FUNCTION record_gateway_seen(gateway_id text) RETURNS SETOF gateway LANGUAGE sql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  INSERT INTO gateway (id, seen_at) VALUES (gateway_id, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at RETURNING *
$$;

-- A gateway never goes back: a late message about an older epoch changes nothing.
CREATE FUNCTION confirm_route(gateway_id text, endpoint_name text, applied_epoch integer) RETURNS void LANGUAGE sql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  INSERT INTO gateway_route (gateway, endpoint, epoch) VALUES (gateway_id, endpoint_name, applied_epoch)
    ON CONFLICT (gateway, endpoint)
    DO UPDATE SET epoch = greatest(gateway_route.epoch, excluded.epoch), at = clock_timestamp()
$$;

CREATE FUNCTION remove_gateway(gateway_id text) RETURNS void LANGUAGE sql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  DELETE FROM gateway WHERE id = gateway_id
$$;

-- Columns, not JSON rows: the prediction log is the one table that grows by thousands a second.
CREATE FUNCTION log_predictions(inference_ids text[], endpoints text[], epochs integer[], arms text[], assigned boolean[],
  model_versions uuid[], routing_key_hashes text[], ats timestamptz[], latencies_ms double precision[], outcomes text[],
  scores double precision[], decisions smallint[], features jsonb[])
  RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  logged integer;
BEGIN
  INSERT INTO prediction (inference_id, endpoint, epoch, arm, assigned, model_version, routing_key_hash, at, latency_ms,
      outcome, score, decision, features)
    SELECT * FROM unnest(inference_ids, endpoints, epochs, arms, assigned, model_versions, routing_key_hashes, ats,
      latencies_ms, outcomes, scores, decisions, features)
    ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS logged = ROW_COUNT;
  RETURN logged;
END $$;

CREATE FUNCTION record_feedback(inference_ids text[], labels smallint[], ats timestamptz[],
  OUT recorded integer, OUT conflicting integer) LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO feedback (inference_id, label, at)
    SELECT DISTINCT ON (given.inference_id) given.inference_id, given.label, coalesce(given.at, now())
    FROM unnest(inference_ids, labels, ats) WITH ORDINALITY AS given (inference_id, label, at, place)
    ORDER BY given.inference_id, place
    ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS recorded = ROW_COUNT;
  -- A statement of its own, because only then it sees the label of another transaction that the first one stepped back for.
  INSERT INTO feedback_conflict (inference_id, label, at)
    SELECT DISTINCT ON (given.inference_id) given.inference_id, given.label, coalesce(given.at, now())
    FROM unnest(inference_ids, labels, ats) WITH ORDINALITY AS given (inference_id, label, at, place)
      JOIN feedback USING (inference_id)
    WHERE given.label <> feedback.label ORDER BY given.inference_id, place
    ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS conflicting = ROW_COUNT;
END $$;

-- Appends an event after the head, which the caller has locked (lock_audit_head). The searching columns come from the hashed
-- bytes, so that they cannot say anything else; its time is of this transaction.
CREATE FUNCTION append_audit_event(event_stream text, event_seq bigint, event_body bytea) RETURNS void LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  event jsonb := convert_from(event_body, 'UTF8')::jsonb;
  event_at timestamptz := event ->> 'at';
BEGIN
  IF event ->> 'stream' IS DISTINCT FROM event_stream OR (event ->> 'seq')::bigint IS DISTINCT FROM event_seq THEN
    RAISE EXCEPTION 'audit stream %, event %: its bytes say it is event % of %', event_stream, event_seq, event ->> 'seq',
      event ->> 'stream' USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_event_tells_its_place';
  END IF;
  IF event_at NOT BETWEEN now() AND clock_timestamp() THEN
    RAISE EXCEPTION 'audit stream %, event %: % is not the time of its transaction', event_stream, event_seq, event_at
      USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_event_in_its_time';
  END IF;
  INSERT INTO audit_event (stream, seq, at, actor, kind, subject, body, previous_hash, hash)
    SELECT event_stream, event_seq, event_at, event ->> 'actor', event -> 'body' ->> 'kind', event ->> 'subject', event_body,
      head.hash, sha256(head.hash || event_body)
    FROM audit_head AS head WHERE head.stream = event_stream FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'audit stream % has no head', event_stream
      USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_event_follows_head';
  END IF;
END $$;

GRANT EXECUTE ON FUNCTION describe_model(text, text), lock_model(text), set_lifecycle_status(text, text, text, text),
  start_stage_run(uuid, text, text, integer, jsonb), finish_stage_run(uuid, integer, text, text, jsonb, jsonb, text),
  lock_endpoint(text), set_lease(text, integer, double precision), end_rollout(text, text, text),
  set_monitor_active(text, boolean), record_gateway_seen(text), confirm_route(text, text, integer), remove_gateway(text),
  log_predictions(text[], text[], integer[], text[], boolean[], uuid[], text[], timestamptz[], double precision[], text[],
    double precision[], smallint[], jsonb[]),
  record_feedback(text[], smallint[], timestamptz[]), append_audit_event(text, bigint, bytea) TO modelwright_application;

-- Gates are worth something when they were fixed before they were measured. So evidence, where some is asked for, is of a stage
-- run: its lifecycle was accepted before with these settings (evaluation_settings_fixed), for this model and no easier one.
CREATE FUNCTION check_promotion_preregistered() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF (SELECT requires_evidence FROM environment JOIN endpoint ON endpoint.environment = environment.name
      WHERE endpoint.name = NEW.endpoint)
     AND NOT EXISTS (SELECT FROM evaluation JOIN stage_run ON stage_run.id = evaluation.stage_run
       JOIN lifecycle ON lifecycle.id = stage_run.lifecycle
       JOIN model_version ON model_version.id = evaluation.model_version AND model_version.model = lifecycle.model
       WHERE evaluation.id = NEW.evaluation) THEN
    RAISE EXCEPTION 'endpoint %, epoch %: evaluation % is of no lifecycle of its model, so its gates were not fixed before it ran',
      NEW.endpoint, NEW.epoch, NEW.evaluation USING ERRCODE = 'check_violation', CONSTRAINT = 'promotion_preregistered';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER preregistered AFTER INSERT ON promotion
  FOR EACH ROW EXECUTE FUNCTION check_promotion_preregistered();

-- Whom a database login belongs to. Compared with session_user, which no setting and no SET ROLE changes, so that nothing can be
-- forged and nothing leaks from one user of a pooled connection to the next.
CREATE TABLE team_login (
  login text NOT NULL CHECK (length(login) BETWEEN 1 AND 63),
  team entity_name NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (login, team)
);
SELECT make_rows_start('team_login', '{}', 'created_at');
SELECT make_audited('team_login');

-- Null: everybody's.
ALTER TABLE model ADD COLUMN team entity_name;

-- Lets a member see a row when `condition` holds. The condition usually asks for a row of another table, which row security
-- filters in turn, down to `model`; so a new table names its parent and nothing else. Everything else fails closed. The owner,
-- which the functions run as, is named because FORCE binds it too.
CREATE FUNCTION make_seen_by_team(seen_table regclass, condition text) RETURNS void LANGUAGE plpgsql AS $make$
DECLARE
  table_owner text := (SELECT relowner::regrole FROM pg_class WHERE oid = seen_table);
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', seen_table);
  EXECUTE format('CREATE POLICY everything ON %s TO %s, modelwright_application USING (true) WITH CHECK (true)',
    seen_table, table_owner);
  EXECUTE format('CREATE POLICY everything_read ON %s FOR SELECT TO modelwright_auditor USING (true)', seen_table);
  EXECUTE format('CREATE POLICY own_team ON %s FOR SELECT TO modelwright_member USING (%s)', seen_table, condition);
  EXECUTE format('GRANT SELECT ON %s TO modelwright_auditor, modelwright_member', seen_table);
END $make$;

SELECT make_seen_by_team(seen, condition) FROM (VALUES
  ('team_login'::regclass, 'login = session_user'),
  ('model', 'team IS NULL OR team IN (SELECT team FROM team_login WHERE login = session_user)'),
  ('model_version', 'model IN (SELECT name FROM model)'),
  ('lifecycle', 'model IN (SELECT name FROM model)'),
  ('stage_run', 'lifecycle IN (SELECT id FROM lifecycle)'),
  ('approval', 'lifecycle IN (SELECT id FROM lifecycle)'),
  ('lineage_edge', 'lifecycle IN (SELECT id FROM lifecycle)'),
  ('evaluation', 'model_version IN (SELECT id FROM model_version)'),
  ('metric_value', 'evaluation IN (SELECT id FROM evaluation)'),
  ('gate_verdict', 'evaluation IN (SELECT id FROM evaluation)'),
  ('endpoint', 'model IN (SELECT name FROM model)'),
  ('rollout', 'model IN (SELECT name FROM model)'),
  ('deployment_look', 'rollout IN (SELECT id FROM rollout)'),
  ('routing_epoch', 'model IN (SELECT name FROM model)'),
  ('promotion', 'endpoint IN (SELECT name FROM endpoint)'),
  ('gateway_route', 'endpoint IN (SELECT name FROM endpoint)'),
  ('prediction', 'endpoint IN (SELECT name FROM endpoint)'),
  ('feedback', 'EXISTS (SELECT FROM prediction WHERE prediction.inference_id = feedback.inference_id)'),
  ('feedback_conflict', 'EXISTS (SELECT FROM prediction WHERE prediction.inference_id = feedback_conflict.inference_id)'),
  ('monitor', 'model IN (SELECT name FROM model)'),
  ('drift_check', 'monitor IN (SELECT id FROM monitor)'),
  ('retrain_decision', 'model IN (SELECT name FROM model)'),
  ('dataset_snapshot', $$digest IN (SELECT data_digest FROM evaluation
    UNION ALL SELECT result #>> '{training,digest}' FROM stage_run WHERE stage = 'snapshot'
    UNION ALL SELECT data_digest FROM drift_check)$$),
  ('artifact', $$digest IN (SELECT artifact FROM model_version UNION ALL SELECT digest FROM dataset_snapshot
    UNION ALL SELECT data_digest FROM evaluation UNION ALL SELECT report_digest FROM evaluation
    UNION ALL SELECT baseline_profile FROM monitor UNION ALL SELECT report_digest FROM drift_check)$$)
) AS given (seen, condition);

-- Nobody's in particular: auditors read them, and members the environments' names.
GRANT SELECT ON audit_head, audit_event, operation, environment, gateway, schema_migration TO modelwright_auditor;
GRANT SELECT ON environment TO modelwright_member;
-- Which release the schema is of.
GRANT SELECT ON schema_migration TO modelwright_application;

-- What was started, has not ended and does not move any more, by database time: whatever lost it, it is seen here. The bounds are
-- those of the activities (workflows/activity-options.ts) and an hour; a person who paused a lifecycle is waited for.
CREATE VIEW stuck_work WITH (security_invoker = true) AS
  SELECT 'lifecycle/' || lifecycle.id AS subject, moved.at AS since, lifecycle.model
  FROM lifecycle, LATERAL (
    SELECT greatest(lifecycle.status_at,
      (SELECT max(greatest(started_at, finished_at)) FROM stage_run WHERE stage_run.lifecycle = lifecycle.id),
      (SELECT max(greatest(rollout.started_at, rollout.ended_at, endpoint.lease_until)) FROM rollout
       JOIN endpoint ON endpoint.name = rollout.endpoint WHERE rollout.lifecycle = lifecycle.id)) AS at
  ) AS moved
  WHERE lifecycle.status = 'running' AND moved.at < clock_timestamp() - interval '1 hour' - greatest(interval '8 hours',
      interval '10 minutes' + 2 * coalesce((lifecycle.spec #>> '{training,timeoutMs}')::float8, 0) * interval '1 millisecond')
    AND (SELECT convert_from(body, 'UTF8')::jsonb #>> '{body,request}' FROM audit_event
         WHERE subject = 'lifecycle/' || lifecycle.id AND kind = 'request-made' ORDER BY seq DESC LIMIT 1) IS DISTINCT FROM 'pause'
  UNION ALL
  SELECT 'rollout/' || rollout.id, greatest(rollout.started_at, endpoint.lease_until), rollout.model
  FROM rollout JOIN endpoint ON endpoint.name = rollout.endpoint
  WHERE rollout.status = 'running' AND greatest(rollout.started_at, endpoint.lease_until) < clock_timestamp() - interval '1 hour'
  UNION ALL
  SELECT 'retrain-decision/' || decided.id, decided.at, decided.model
  FROM retrain_decision AS decided
  WHERE decided.decision = 'start' AND decided.at < clock_timestamp() - interval '1 hour'
    AND NOT EXISTS (SELECT FROM lifecycle WHERE lifecycle.id = decided.lifecycle);
GRANT SELECT ON stuck_work TO modelwright_application, modelwright_auditor;
