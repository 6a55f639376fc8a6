-- Serving: environments, endpoints, routing epochs and their evidence, rollouts, gateways, prediction log, feedback.

CREATE TABLE environment (
  name entity_name PRIMARY KEY,
  -- Whether it takes only versions with a passing evaluation of exactly these bytes.
  requires_evidence boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO environment (name, requires_evidence) VALUES ('production', true), ('staging', false);
-- The application may add an environment, which then asks for evidence; loosening one is the administrator's.
SELECT make_rows_start('environment', '{"requires_evidence": true}', 'created_at');
GRANT SELECT, INSERT ON environment TO modelwright_application;

CREATE TABLE endpoint (
  name entity_name PRIMARY KEY,
  environment entity_name NOT NULL REFERENCES environment,
  model entity_name NOT NULL REFERENCES model,
  -- 0 until something is deployed. Written by the routing triggers alone.
  current_epoch integer NOT NULL DEFAULT 0 CHECK (current_epoch >= 0),
  -- A canary's share is valid until then.
  lease_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (name, model),
  -- One endpoint a model and environment, one current epoch an endpoint, one champion an epoch: one production version.
  CONSTRAINT endpoint_one_per_model_and_environment UNIQUE (environment, model)
);
SELECT make_rows_start('endpoint', '{"current_epoch": 0, "lease_until": null}', 'created_at');
GRANT SELECT, INSERT, UPDATE (lease_until) ON endpoint TO modelwright_application;

CREATE TABLE rollout (
  id text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 200),
  endpoint entity_name NOT NULL,
  model entity_name NOT NULL,
  lifecycle text REFERENCES lifecycle,
  plan jsonb NOT NULL,
  plan_digest digest NOT NULL,
  -- Above it a request is slow: the champion's own quantile, frozen before the canary got traffic. Null without the guardrail.
  latency_threshold_ms double precision CHECK (latency_threshold_ms >= 0),
  champion_version uuid,
  canary_version uuid NOT NULL,
  started_by actor NOT NULL,
  status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'promoted', 'rolled-back', 'aborted')),
  outcome text,
  started_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  UNIQUE (id, endpoint),
  FOREIGN KEY (endpoint, model) REFERENCES endpoint (name, model),
  FOREIGN KEY (champion_version, model) REFERENCES model_version (id, model),
  FOREIGN KEY (canary_version, model) REFERENCES model_version (id, model),
  CHECK ((ended_at IS NULL) = (status = 'running')),
  CHECK (champion_version <> canary_version)
);
CREATE UNIQUE INDEX rollout_one_writer ON rollout (endpoint) WHERE status = 'running';
SELECT make_rows_start('rollout', '{"status": "running", "outcome": null, "ended_at": null}', 'started_at');
GRANT SELECT, INSERT, UPDATE (status, outcome) ON rollout TO modelwright_application;

CREATE FUNCTION guard_rollout_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status <> 'running' THEN
    RAISE EXCEPTION 'rollout %: it ended as % and stays so', OLD.id, OLD.status
      USING ERRCODE = 'check_violation', CONSTRAINT = 'rollout_final';
  END IF;
  IF NEW.status <> 'running' THEN
    NEW.ended_at := now();
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER final_status BEFORE UPDATE ON rollout FOR EACH ROW EXECUTE FUNCTION guard_rollout_status();

CREATE TABLE deployment_look (
  rollout text NOT NULL REFERENCES rollout,
  number integer NOT NULL CHECK (number >= 1),
  at timestamptz NOT NULL DEFAULT now(),
  verdict text NOT NULL CHECK (verdict IN ('promote', 'rollback', 'hold')),
  look jsonb NOT NULL,
  PRIMARY KEY (rollout, number)
);
SELECT make_append_only('deployment_look');
SELECT make_rows_start('deployment_look', '{}', 'at');

CREATE TABLE routing_epoch (
  endpoint entity_name NOT NULL,
  epoch integer NOT NULL CHECK (epoch >= 1),
  model entity_name NOT NULL,
  champion_version uuid,
  canary_version uuid,
  -- Basis points.
  champion_share integer NOT NULL CHECK (champion_share >= 0),
  canary_share integer NOT NULL CHECK (canary_share >= 0),
  salt text NOT NULL,
  rollout text,
  reason text NOT NULL,
  created_by actor NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (endpoint, epoch),
  FOREIGN KEY (endpoint, model) REFERENCES endpoint (name, model),
  FOREIGN KEY (champion_version, model) REFERENCES model_version (id, model),
  FOREIGN KEY (canary_version, model) REFERENCES model_version (id, model),
  FOREIGN KEY (rollout, endpoint) REFERENCES rollout (id, endpoint),
  CONSTRAINT routing_epoch_shares_sum CHECK (champion_share + canary_share = 10000),
  -- A share needs somebody to serve it.
  CHECK (champion_version IS NOT NULL OR champion_share = 0),
  CHECK (canary_version IS NOT NULL OR canary_share = 0),
  CHECK (champion_version <> canary_version)
);
CREATE INDEX routing_epoch_by_time ON routing_epoch (endpoint, created_at);
SELECT make_append_only('routing_epoch');
SELECT make_rows_start('routing_epoch', '{}', 'created_at');

-- Epochs follow each other without a hole, one writer at a time; a running rollout is the only writer of its endpoint.
CREATE FUNCTION check_epoch_order() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  latest integer;
  writer text;
BEGIN
  SELECT current_epoch INTO latest FROM endpoint WHERE name = NEW.endpoint FOR UPDATE;
  IF NEW.epoch IS DISTINCT FROM latest + 1 THEN
    RAISE EXCEPTION 'endpoint %: epoch % does not follow epoch %', NEW.endpoint, NEW.epoch, latest
      USING ERRCODE = 'check_violation', CONSTRAINT = 'routing_epoch_order';
  END IF;
  SELECT id INTO writer FROM rollout WHERE endpoint = NEW.endpoint AND status = 'running';
  IF writer IS NOT NULL AND NEW.rollout IS DISTINCT FROM writer THEN
    RAISE EXCEPTION 'endpoint %: rollout % is running and is its one writer', NEW.endpoint, writer
      USING ERRCODE = 'check_violation', CONSTRAINT = 'routing_epoch_one_writer';
  END IF;
  -- Again, now that the lock is held: times rise with the epochs.
  NEW.created_at := clock_timestamp();
  RETURN NEW;
END $$;
CREATE TRIGGER epoch_order BEFORE INSERT ON routing_epoch FOR EACH ROW EXECUTE FUNCTION check_epoch_order();

CREATE FUNCTION apply_epoch() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  UPDATE endpoint SET current_epoch = NEW.epoch WHERE name = NEW.endpoint;
  PERFORM pg_notify('modelwright_routing', NEW.endpoint);
  RETURN NULL;
END $$;
CREATE TRIGGER epoch_applied AFTER INSERT ON routing_epoch FOR EACH ROW EXECUTE FUNCTION apply_epoch();

-- Evidence that a version may serve in an epoch: a passing evaluation of this version with exactly these bytes.
CREATE TABLE promotion (
  endpoint entity_name NOT NULL,
  epoch integer NOT NULL,
  version uuid NOT NULL,
  model_digest digest NOT NULL,
  evaluation uuid NOT NULL,
  verdict text NOT NULL DEFAULT 'pass' CHECK (verdict = 'pass'),
  PRIMARY KEY (endpoint, epoch, version),
  FOREIGN KEY (endpoint, epoch) REFERENCES routing_epoch (endpoint, epoch),
  FOREIGN KEY (evaluation, version, model_digest, verdict)
    REFERENCES evaluation (id, model_version, model_digest, verdict)
);
SELECT make_append_only('promotion');

CREATE FUNCTION check_promotion_evidence() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  unproven uuid;
BEGIN
  SELECT version INTO unproven
    FROM unnest(ARRAY[NEW.champion_version, NEW.canary_version]) AS served (version)
    WHERE version IS NOT NULL
      AND (SELECT requires_evidence FROM environment JOIN endpoint ON endpoint.environment = environment.name
           WHERE endpoint.name = NEW.endpoint)
      AND NOT EXISTS (SELECT FROM promotion WHERE promotion.endpoint = NEW.endpoint AND promotion.epoch = NEW.epoch
                      AND promotion.version = served.version)
    LIMIT 1;
  IF unproven IS NOT NULL THEN
    RAISE EXCEPTION 'endpoint %, epoch %: version % has no passing evaluation on record for it', NEW.endpoint, NEW.epoch,
      unproven USING ERRCODE = 'check_violation', CONSTRAINT = 'routing_epoch_needs_evidence';
  END IF;
  RETURN NULL;
END $$;
-- Deferred, because the promotion rows refer to the epoch and so come after it.
CREATE CONSTRAINT TRIGGER needs_evidence AFTER INSERT ON routing_epoch DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION check_promotion_evidence();

CREATE TABLE gateway (
  id text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 200),
  started_at timestamptz NOT NULL DEFAULT now(),
  seen_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE gateway_route (
  gateway text NOT NULL REFERENCES gateway ON DELETE CASCADE,
  endpoint entity_name NOT NULL,
  epoch integer NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (gateway, endpoint),
  FOREIGN KEY (endpoint, epoch) REFERENCES routing_epoch (endpoint, epoch)
);
-- Observed state, not evidence: a gateway that leaves takes its rows along.
GRANT SELECT, INSERT, UPDATE, DELETE ON gateway, gateway_route TO modelwright_application;

-- One row a predicted row. `at` is database time as the gateway measured it. The inference id is a UUIDv7 (a row's suffix
-- may follow it), so a look-up by id knows the day to look in.
CREATE TABLE prediction (
  inference_id text NOT NULL CHECK (length(inference_id) BETWEEN 1 AND 200),
  endpoint entity_name NOT NULL,
  epoch integer NOT NULL,
  arm text NOT NULL CHECK (arm IN ('champion', 'canary')),
  -- Whether the shares decided the arm; a lapsed lease, a canary that is down or a version the client named did not.
  assigned boolean NOT NULL DEFAULT true,
  model_version uuid NOT NULL,
  routing_key_hash text,
  at timestamptz NOT NULL,
  latency_ms double precision NOT NULL CHECK (latency_ms >= 0),
  outcome text NOT NULL CHECK (outcome IN ('ok', 'error')),
  score double precision,
  decision smallint CHECK (decision IN (0, 1)),
  features jsonb,
  PRIMARY KEY (inference_id, at)
) PARTITION BY RANGE (at);
CREATE INDEX prediction_by_epoch ON prediction (endpoint, epoch, at);
CREATE TABLE prediction_other_days PARTITION OF prediction DEFAULT;
SELECT make_append_only('prediction');

-- Makes the partitions of yesterday to `ahead_days` days ahead (UTC). A day whose rows already went to the default partition
-- stays there: its rows are found all the same.
CREATE FUNCTION ensure_prediction_partitions(ahead_days integer) RETURNS integer LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  day date;
  partition text;
  made integer := 0;
BEGIN
  IF ahead_days IS NULL OR ahead_days NOT BETWEEN 0 AND 31 THEN
    RAISE EXCEPTION 'ahead_days is %, allowed 0 to 31', ahead_days USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- Several gateways start at once; the loser of a race on the same day would fail on the partition's name.
  PERFORM pg_advisory_xact_lock(hashtextextended('modelwright prediction partitions', 0));
  FOR offset_days IN -1 .. ahead_days LOOP
    day := (now() AT TIME ZONE 'UTC')::date + offset_days;
    partition := 'prediction_' || to_char(day, 'YYYYMMDD');
    CONTINUE WHEN to_regclass('public.' || partition) IS NOT NULL;
    BEGIN
      EXECUTE format('CREATE TABLE public.%I PARTITION OF public.prediction FOR VALUES FROM (%L) TO (%L)', partition,
        day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
      made := made + 1;
    EXCEPTION WHEN check_violation THEN
      NULL;
    END;
  END LOOP;
  RETURN made;
END $$;
REVOKE EXECUTE ON FUNCTION ensure_prediction_partitions(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_prediction_partitions(integer) TO modelwright_application;
SELECT ensure_prediction_partitions(7);

-- The first label of a prediction wins; another one later is kept beside it and changes nothing.
CREATE TABLE feedback (
  inference_id text PRIMARY KEY CHECK (length(inference_id) BETWEEN 1 AND 200),
  label smallint NOT NULL CHECK (label IN (0, 1)),
  at timestamptz NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now()
);
SELECT make_append_only('feedback');
SELECT make_rows_start('feedback', '{}', 'received_at');
CREATE TABLE feedback_conflict (
  inference_id text NOT NULL REFERENCES feedback,
  label smallint NOT NULL CHECK (label IN (0, 1)),
  at timestamptz NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (inference_id, label)
);
SELECT make_append_only('feedback_conflict');
SELECT make_rows_start('feedback_conflict', '{}', 'received_at');
