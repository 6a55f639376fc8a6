-- Registry: artifacts, models, versions, lifecycles, evaluations, approvals.
-- Rights are granted to the group role modelwright_application, which owns nothing; migrate.ts creates it.

CREATE DOMAIN digest AS text CHECK (VALUE ~ '^[0-9a-f]{64}$');
CREATE DOMAIN entity_name AS text CHECK (VALUE ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$');
CREATE DOMAIN actor AS text CHECK (length(VALUE) BETWEEN 1 AND 200 AND VALUE = btrim(VALUE));

-- Statement level, so that TRUNCATE and a change that matches no row are refused too.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION make_append_only(append_only_table regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', append_only_table);
  EXECUTE format('GRANT SELECT, INSERT ON %s TO modelwright_application', append_only_table);
END $$;
REVOKE EXECUTE ON FUNCTION make_append_only(regclass) FROM PUBLIC;

-- Makes every new row start with `initial` and with database time in `times`, whatever the INSERT says. Grants by column would
-- refuse instead of correct, but the query builder names every column of a table in its INSERTs.
CREATE FUNCTION start_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW := jsonb_populate_record(NEW, TG_ARGV[0]::jsonb
    || (SELECT coalesce(jsonb_object_agg(name, clock_timestamp()), '{}') FROM unnest(TG_ARGV[1]::text[]) AS name));
  RETURN NEW;
END $$;

CREATE FUNCTION make_rows_start(starting_table regclass, initial jsonb, VARIADIC times text[]) RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER a_start BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION start_row(%L, %L)',
    starting_table, initial, times);
END $$;
REVOKE EXECUTE ON FUNCTION make_rows_start(regclass, jsonb, text[]) FROM PUBLIC;

CREATE TABLE artifact (
  digest digest PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('dataset', 'model', 'report', 'profile', 'spec', 'trainer-output')),
  size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
  media_type text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
SELECT make_append_only('artifact');
SELECT make_rows_start('artifact', '{}', 'created_at');

CREATE TABLE dataset_snapshot (
  digest digest PRIMARY KEY REFERENCES artifact,
  description jsonb NOT NULL,
  source_path text NOT NULL,
  source_digest digest,
  select_expressions jsonb NOT NULL,
  time_window jsonb,
  created_at timestamptz NOT NULL DEFAULT now()
);
SELECT make_append_only('dataset_snapshot');
SELECT make_rows_start('dataset_snapshot', '{}', 'created_at');

CREATE TABLE model (
  name entity_name PRIMARY KEY,
  purpose text NOT NULL,
  next_version integer NOT NULL DEFAULT 1 CHECK (next_version >= 1),
  created_at timestamptz NOT NULL DEFAULT now()
);
-- After its start next_version is written by the version triggers alone.
SELECT make_rows_start('model', '{"next_version": 1}', 'created_at');
GRANT SELECT, INSERT, UPDATE (purpose) ON model TO modelwright_application;

CREATE TABLE lifecycle (
  id text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 200),
  model entity_name NOT NULL REFERENCES model,
  spec jsonb NOT NULL,
  spec_digest digest NOT NULL,
  started_by actor NOT NULL,
  reason text NOT NULL DEFAULT '',
  -- The retrain decision that started it; the foreign key comes with that table.
  caused_by uuid UNIQUE,
  status text NOT NULL DEFAULT 'running'
    CHECK (status IN ('running', 'waiting', 'completed', 'failed', 'rejected', 'aborted')),
  outcome text,
  failure_code text,
  started_at timestamptz NOT NULL DEFAULT now(),
  status_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  UNIQUE (id, started_by),
  CHECK ((finished_at IS NULL) = (status IN ('running', 'waiting'))),
  CHECK (failure_code IS NULL OR status = 'failed')
);
CREATE INDEX lifecycle_by_start ON lifecycle (started_at, id);
CREATE INDEX lifecycle_by_model ON lifecycle (model, started_at, id);
-- Single flight: however many checks find harm at once, one retraining of a model runs.
CREATE UNIQUE INDEX lifecycle_one_retraining ON lifecycle (model)
  WHERE caused_by IS NOT NULL AND status IN ('running', 'waiting');
SELECT make_rows_start('lifecycle', '{"status": "running", "outcome": null, "failure_code": null, "finished_at": null}',
  'started_at', 'status_at');
GRANT SELECT, INSERT, UPDATE (status, outcome, failure_code) ON lifecycle TO modelwright_application;

-- A failed lifecycle may be retried under its id; completed, rejected and aborted are final.
CREATE FUNCTION guard_lifecycle_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.status <> OLD.status THEN
    IF NOT (OLD.status IN ('running', 'waiting') OR (OLD.status = 'failed' AND NEW.status = 'running')) THEN
      RAISE EXCEPTION 'lifecycle %: status % may not become %', OLD.id, OLD.status, NEW.status
        USING ERRCODE = 'check_violation', CONSTRAINT = 'lifecycle_status_order';
    END IF;
    NEW.status_at := now();
    NEW.finished_at := CASE WHEN NEW.status IN ('running', 'waiting') THEN NULL ELSE now() END;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER status_order BEFORE UPDATE ON lifecycle FOR EACH ROW EXECUTE FUNCTION guard_lifecycle_status();

CREATE TABLE stage_run (
  id uuid PRIMARY KEY,
  lifecycle text NOT NULL REFERENCES lifecycle,
  stage text NOT NULL CHECK (stage IN ('accept', 'snapshot', 'validate', 'train', 'admit', 'optimize', 'evaluate',
    'approve', 'deploy', 'monitor')),
  round integer NOT NULL DEFAULT 1 CHECK (round >= 1),
  status text NOT NULL DEFAULT 'running'
    CHECK (status IN ('running', 'passed', 'failed', 'inconclusive', 'waiting', 'cancelled')),
  verdict text CHECK (verdict IN ('pass', 'fail', 'inconclusive')),
  config jsonb,
  result jsonb,
  failure jsonb,
  headline text,
  -- Fencing token: rises at every start, and only its holder may finish the run.
  attempt integer NOT NULL DEFAULT 1 CHECK (attempt >= 1),
  started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  UNIQUE (lifecycle, stage, round),
  CHECK ((finished_at IS NULL) = (status IN ('running', 'waiting')))
);
SELECT make_rows_start('stage_run', '{"status": "running", "verdict": null, "result": null, "failure": null, "headline": null,
  "attempt": 1, "finished_at": null}', 'started_at');
GRANT SELECT, INSERT, UPDATE (status, verdict, config, result, failure, headline, attempt) ON stage_run
  TO modelwright_application;

CREATE FUNCTION guard_stage_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.attempt < OLD.attempt THEN
    RAISE EXCEPTION 'stage run %: attempt % is older than attempt %', OLD.id, NEW.attempt, OLD.attempt
      USING ERRCODE = 'check_violation', CONSTRAINT = 'stage_run_attempt_order';
  END IF;
  IF OLD.status IN ('passed', 'inconclusive')
     OR (OLD.finished_at IS NOT NULL AND NEW.attempt = OLD.attempt) THEN
    RAISE EXCEPTION 'stage run %: it is % and stays so', OLD.id, OLD.status
      USING ERRCODE = 'check_violation', CONSTRAINT = 'stage_run_final';
  END IF;
  IF NEW.attempt > OLD.attempt THEN
    NEW.started_at := now();
  END IF;
  NEW.finished_at := CASE WHEN NEW.status IN ('running', 'waiting') THEN NULL ELSE now() END;
  RETURN NEW;
END $$;
CREATE TRIGGER attempt_order BEFORE UPDATE ON stage_run FOR EACH ROW EXECUTE FUNCTION guard_stage_run();

CREATE TABLE model_version (
  id uuid PRIMARY KEY,
  model entity_name NOT NULL REFERENCES model,
  number integer NOT NULL CHECK (number >= 1),
  artifact digest NOT NULL REFERENCES artifact,
  signature jsonb NOT NULL,
  origin text NOT NULL CHECK (origin IN ('trained', 'optimized', 'registered')),
  parent_version uuid,
  facts jsonb NOT NULL,
  -- Business key: what a lifecycle makes in a round has one name, so a retried step finds its version again.
  lifecycle text REFERENCES lifecycle,
  round integer CHECK (round >= 1),
  name text CHECK (length(name) >= 1),
  created_by actor NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (model, number),
  UNIQUE (id, model),
  UNIQUE (id, artifact),
  UNIQUE (lifecycle, round, name),
  FOREIGN KEY (parent_version, model) REFERENCES model_version (id, model),
  CHECK (num_nulls(lifecycle, round, name) IN (0, 3)),
  CHECK ((origin = 'optimized') <= (parent_version IS NOT NULL))
);
CREATE INDEX model_version_by_artifact ON model_version (artifact);
SELECT make_append_only('model_version');
SELECT make_rows_start('model_version', '{}', 'created_at');

-- Two triggers, because an INSERT that meets ON CONFLICT DO NOTHING fires BEFORE but not AFTER: taking the number in one
-- and advancing the counter in the other leaves no hole. The row lock orders concurrent registrations.
CREATE FUNCTION take_version_number() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  SELECT next_version INTO NEW.number FROM model WHERE name = NEW.model FOR UPDATE;
  RETURN NEW;
END $$;
CREATE TRIGGER number_taken BEFORE INSERT ON model_version FOR EACH ROW EXECUTE FUNCTION take_version_number();

CREATE FUNCTION advance_version_number() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  UPDATE model SET next_version = NEW.number + 1 WHERE name = NEW.model;
  RETURN NULL;
END $$;
CREATE TRIGGER number_advanced AFTER INSERT ON model_version FOR EACH ROW EXECUTE FUNCTION advance_version_number();

CREATE TABLE evaluation (
  id uuid PRIMARY KEY,
  stage_run uuid REFERENCES stage_run,
  model_version uuid NOT NULL,
  model_digest digest NOT NULL,
  champion_version uuid REFERENCES model_version,
  data_digest digest NOT NULL REFERENCES artifact,
  report_digest digest REFERENCES artifact,
  verdict text NOT NULL CHECK (verdict IN ('pass', 'fail', 'inconclusive')),
  settings jsonb NOT NULL,
  row_count integer NOT NULL CHECK (row_count >= 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (stage_run, model_version),
  -- Target of a promotion's foreign key: this version, these bytes, this verdict.
  UNIQUE (id, model_version, model_digest, verdict),
  FOREIGN KEY (model_version, model_digest) REFERENCES model_version (id, artifact)
);
CREATE INDEX evaluation_by_version ON evaluation (model_version, verdict);
SELECT make_append_only('evaluation');
SELECT make_rows_start('evaluation', '{}', 'created_at');

CREATE TABLE metric_value (
  evaluation uuid NOT NULL REFERENCES evaluation,
  metric text NOT NULL CHECK (metric IN ('accuracy', 'precision', 'recall', 'f1', 'roc-auc', 'log-loss', 'brier-score',
    'calibration-error')),
  -- Both empty for the whole data.
  slice_column text NOT NULL DEFAULT '',
  slice_value text NOT NULL DEFAULT '',
  estimate double precision,
  low double precision,
  high double precision,
  sample_count integer NOT NULL CHECK (sample_count >= 0),
  undefined_reason text,
  PRIMARY KEY (evaluation, metric, slice_column, slice_value),
  CHECK (num_nulls(estimate, low, high) = CASE WHEN undefined_reason IS NULL THEN 0 ELSE 3 END),
  CHECK (estimate <> 'NaN' AND low <= high)
);
SELECT make_append_only('metric_value');

CREATE TABLE gate_verdict (
  evaluation uuid NOT NULL REFERENCES evaluation,
  position integer NOT NULL CHECK (position >= 0),
  gate jsonb NOT NULL,
  verdict text NOT NULL CHECK (verdict IN ('pass', 'fail', 'inconclusive')),
  reason text NOT NULL,
  slice text NOT NULL,
  observed jsonb NOT NULL,
  PRIMARY KEY (evaluation, position)
);
SELECT make_append_only('gate_verdict');

-- An evaluation passes when every gate fixed in its settings was judged and passed; and inside a lifecycle those settings
-- are the ones accepted before anything was measured. Deferred: the rows arrive in one transaction, in any order.
CREATE FUNCTION check_evaluation_verdict() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  judged evaluation%ROWTYPE;
  gate_count integer;
  passed_count integer;
  fixed jsonb;
BEGIN
  SELECT * INTO STRICT judged FROM evaluation
    WHERE id = (to_jsonb(NEW) ->> CASE TG_TABLE_NAME WHEN 'evaluation' THEN 'id' ELSE 'evaluation' END)::uuid;
  IF judged.verdict = 'pass' THEN
    SELECT count(*), count(*) FILTER (WHERE verdict = 'pass'), coalesce(jsonb_agg(gate ORDER BY position), '[]')
      INTO gate_count, passed_count, fixed FROM gate_verdict WHERE evaluation = judged.id;
    IF gate_count = 0 OR passed_count <> gate_count OR fixed <> judged.settings -> 'gates' THEN
      RAISE EXCEPTION 'evaluation %: verdict pass needs every gate of its settings judged and passed (% of % passed)',
        judged.id, passed_count, gate_count USING ERRCODE = 'check_violation', CONSTRAINT = 'evaluation_pass_needs_gates';
    END IF;
  END IF;
  SELECT lifecycle.spec -> 'evaluation' INTO fixed FROM stage_run JOIN lifecycle ON lifecycle.id = stage_run.lifecycle
    WHERE stage_run.id = judged.stage_run;
  IF FOUND AND fixed IS DISTINCT FROM judged.settings THEN
    RAISE EXCEPTION 'evaluation %: its settings are not the ones accepted with the lifecycle', judged.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'evaluation_settings_fixed';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER verdict_follows_gates AFTER INSERT ON evaluation DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION check_evaluation_verdict();
CREATE CONSTRAINT TRIGGER verdict_follows_gates AFTER INSERT ON gate_verdict DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION check_evaluation_verdict();

CREATE TABLE approval (
  id uuid PRIMARY KEY,
  lifecycle text NOT NULL,
  round integer NOT NULL DEFAULT 1 CHECK (round >= 1),
  decision text NOT NULL CHECK (decision IN ('approve', 'reject')),
  decided_by actor NOT NULL,
  -- Copied so that separation of duties is a plain CHECK; the foreign key keeps the copy true.
  started_by actor NOT NULL,
  reason text NOT NULL,
  evidence_digest digest NOT NULL,
  decided_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (lifecycle, round),
  FOREIGN KEY (lifecycle, started_by) REFERENCES lifecycle (id, started_by),
  CONSTRAINT approval_not_by_author CHECK (decision = 'reject' OR lower(decided_by) <> lower(started_by))
);
SELECT make_append_only('approval');
SELECT make_rows_start('approval', '{}', 'decided_at');
