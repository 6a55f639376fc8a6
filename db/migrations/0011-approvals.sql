-- Approvals: policies, statements over exact evidence, breaking the glass, alarms.

-- Canonical JSON is stored as the bytes that were hashed or signed. Columns made from them cannot say anything else.
CREATE FUNCTION json_document(document bytea) RETURNS jsonb LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  SET search_path = pg_catalog, pg_temp AS $$ SELECT convert_from(document, 'UTF8')::jsonb $$;
-- The release before writes approvals itself, and so computes their columns itself.
GRANT EXECUTE ON FUNCTION json_document(bytea) TO modelwright_application;
CREATE FUNCTION json_texts(list jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  SET search_path = pg_catalog, pg_temp AS $$ SELECT ARRAY(SELECT jsonb_array_elements_text(list)) $$;

-- What it takes for a version to be approved, for a model or for all, in an environment. The newest entry of each kind holds; the
-- entry of a model comes before that of all models. An entry without a policy takes the one before it away.
CREATE TABLE approval_policy (
  id uuid PRIMARY KEY,
  number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  -- Null: every model.
  model entity_name REFERENCES model,
  -- Null in the default alone.
  environment entity_name,
  policy bytea,
  digest text GENERATED ALWAYS AS (encode(sha256(policy), 'hex')) STORED,
  quorum integer GENERATED ALWAYS AS ((json_document(policy) ->> 'quorum')::integer) STORED CHECK (quorum BETWEEN 1 AND 10),
  roles text[] GENERATED ALWAYS AS (json_texts(json_document(policy) -> 'roles')) STORED,
  expires_in_ms bigint GENERATED ALWAYS AS ((json_document(policy) ->> 'expiresInMs')::bigint) STORED CHECK (expires_in_ms > 0),
  requires_signature boolean GENERATED ALWAYS AS ((json_document(policy) ->> 'requiresSignature')::boolean) STORED,
  set_by actor NOT NULL,
  reason text NOT NULL,
  set_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT approval_policy_tells_what_for CHECK (json_document(policy) ->> 'model' IS NOT DISTINCT FROM model
    AND json_document(policy) ->> 'environment' IS NOT DISTINCT FROM environment OR policy IS NULL),
  CONSTRAINT approval_policy_complete CHECK (policy IS NULL OR num_nulls(quorum, roles, expires_in_ms, requires_signature) = 0)
);
CREATE INDEX approval_policy_by_place ON approval_policy (environment, model, number);
SELECT make_append_only('approval_policy');
SELECT make_rows_start('approval_policy', '{}', 'set_at');
SELECT make_pseudonymous('approval_policy', 'set_by');
SELECT make_recorded('approval_policy');

-- Holds where nothing else was set and a lifecycle's spec asks for approval. There is one, and it stays.
INSERT INTO approval_policy (id, policy, set_by, reason) VALUES ('00000000-0000-7000-8000-000000000001',
  convert_to('{"environment":null,"expiresInMs":2592000000,"format":"modelwright-approval-policy/1","model":null,"quorum":1,"requiresSignature":false,"roles":[]}', 'UTF8'),
  'modelwright/release', 'the default');
ALTER TABLE approval_policy ADD CONSTRAINT approval_policy_one_default
  CHECK (environment IS NOT NULL OR id = '00000000-0000-7000-8000-000000000001');
SELECT make_audited('approval_policy');

CREATE FUNCTION approval_policy_in_force(of_model text, in_environment text, moment timestamptz) RETURNS SETOF approval_policy
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT newest.* FROM (
    SELECT DISTINCT ON (environment, model) * FROM approval_policy
    WHERE set_at <= moment AND (model IS NULL OR model = of_model) AND (environment IS NULL OR environment = in_environment)
    ORDER BY environment, model, number DESC) AS newest
  WHERE newest.policy IS NOT NULL
  ORDER BY newest.environment IS NULL, newest.model IS NULL LIMIT 1
$$;
GRANT EXECUTE ON FUNCTION approval_policy_in_force(text, text, timestamptz) TO modelwright_application;

-- The evaluation an approval can be about: the first that passed after the last that did not, so that a later pass changes
-- nothing and a later failure everything. `blocked`: there are evaluations, and the last word of them is no pass.
CREATE FUNCTION standing_evaluation(of_version uuid, OUT id uuid, OUT blocked boolean) LANGUAGE sql STABLE
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH judged AS (SELECT evaluation.id, evaluation.verdict, evaluation.created_at FROM evaluation WHERE model_version = of_version),
    objection AS (SELECT judged.created_at, judged.id FROM judged WHERE verdict <> 'pass' ORDER BY 1 DESC, 2 DESC LIMIT 1),
    standing AS (SELECT judged.id FROM judged WHERE verdict = 'pass'
      AND NOT EXISTS (SELECT FROM objection WHERE (objection.created_at, objection.id) > (judged.created_at, judged.id))
      ORDER BY judged.created_at, judged.id LIMIT 1)
  SELECT (SELECT standing.id FROM standing), EXISTS (SELECT FROM objection) AND NOT EXISTS (SELECT FROM standing)
$$;
GRANT EXECUTE ON FUNCTION standing_evaluation(uuid) TO modelwright_application;

-- So that an approval can name its version's author by foreign key, and the bytes.
ALTER TABLE model_version ADD CONSTRAINT model_version_by_author UNIQUE (id, created_by);

-- Rows of release 0.1.0 are about a round of a lifecycle and name its report; rows with evidence are about a version and an
-- environment, by whichever way it was decided. Their round is null, so that a round has many and UNIQUE (lifecycle, round), which
-- the release before needs for its ON CONFLICT, never sees them.
ALTER TABLE approval
  ALTER COLUMN lifecycle DROP NOT NULL,
  ALTER COLUMN round DROP NOT NULL,
  ADD COLUMN evidence bytea,
  ADD COLUMN model_version uuid GENERATED ALWAYS AS ((json_document(evidence) ->> 'versionId')::uuid) STORED,
  ADD COLUMN model_digest text GENERATED ALWAYS AS (json_document(evidence) ->> 'modelDigest') STORED,
  ADD COLUMN environment text GENERATED ALWAYS AS (json_document(evidence) ->> 'environment') STORED,
  ADD COLUMN evaluation uuid GENERATED ALWAYS AS ((json_document(evidence) #>> '{evaluation,id}')::uuid) STORED,
  -- Only a pass can be approved.
  ADD COLUMN verdict text GENERATED ALWAYS AS (CASE WHEN json_document(evidence) #>> '{evaluation,id}' IS NOT NULL THEN 'pass' END) STORED,
  ADD COLUMN policy_digest text GENERATED ALWAYS AS (json_document(evidence) ->> 'policy') STORED,
  -- Held when it was decided.
  ADD COLUMN roles text[] NOT NULL DEFAULT '{}',
  -- Digest of what was signed; null where people are believed by their word.
  ADD COLUMN statement text UNIQUE REFERENCES signed_statement (digest),
  ADD COLUMN expires_at timestamptz,
  -- How often the same person's same decision on the same evidence had expired before.
  ADD COLUMN renewal integer,
  ADD CONSTRAINT approval_of_round_or_evidence CHECK (num_nulls(evidence, round) = 1 AND (evidence IS NOT NULL OR lifecycle IS NOT NULL)),
  ADD CONSTRAINT approval_evidence_is_digested CHECK (evidence_digest = encode(sha256(evidence), 'hex')),
  ADD CONSTRAINT approval_evidence_tells_lifecycle CHECK (json_document(evidence) ->> 'lifecycle' IS NOT DISTINCT FROM lifecycle OR evidence IS NULL),
  ADD CONSTRAINT approval_of_these_bytes FOREIGN KEY (model_version, model_digest) REFERENCES model_version (id, artifact),
  ADD CONSTRAINT approval_of_version_by_author FOREIGN KEY (model_version, started_by) REFERENCES model_version (id, created_by),
  ADD CONSTRAINT approval_of_passing_evaluation FOREIGN KEY (evaluation, model_version, model_digest, verdict)
    REFERENCES evaluation (id, model_version, model_digest, verdict);
-- Each person once, until it expired.
CREATE UNIQUE INDEX approval_once_a_person ON approval (evidence_digest, decided_by, decision, renewal) WHERE evidence IS NOT NULL;
CREATE INDEX approval_by_version ON approval (model_version, environment);
SELECT make_recorded('approval', '');

-- A signature over something else is none over this. `details` is the canonical JSON of what exactly was asked.
CREATE FUNCTION require_statement(wanted text, wanted_by text, wanted_deed text, details text) RETURNS void LANGUAGE plpgsql STABLE
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF wanted IS NOT NULL AND NOT EXISTS (SELECT FROM signed_statement WHERE digest = wanted AND statement ->> 'by' = wanted_by
      AND statement ->> 'deed' = wanted_deed AND statement ->> 'details' = encode(sha256(convert_to(details, 'UTF8')), 'hex')) THEN
    RAISE EXCEPTION 'statement % of % is not about this', wanted, wanted_by
      USING ERRCODE = 'check_violation', CONSTRAINT = 'statement_is_about_this';
  END IF;
END $$;

-- Expiry is database time and the policy's, and only what is in force can be decided on.
CREATE FUNCTION start_approval() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  evidence jsonb := json_document(NEW.evidence);
  version model_version%ROWTYPE;
  in_force approval_policy%ROWTYPE;
  standing record;
BEGIN
  IF evidence IS NULL THEN
    RETURN NEW;
  END IF;
  SELECT * INTO version FROM model_version WHERE id = (evidence ->> 'versionId')::uuid;
  SELECT * INTO in_force FROM approval_policy_in_force(version.model, evidence ->> 'environment', clock_timestamp());
  SELECT * INTO standing FROM standing_evaluation(version.id);
  IF in_force.digest IS DISTINCT FROM evidence ->> 'policy' OR standing.blocked
     OR standing.id IS DISTINCT FROM (evidence #>> '{evaluation,id}')::uuid THEN
    RAISE EXCEPTION 'version %: the evidence is not the present one', version.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'approval_over_present_evidence';
  END IF;
  PERFORM require_statement(NEW.statement, NEW.decided_by, 'decide',
    format('{"decision":"%s","evidence":"%s"}', NEW.decision, NEW.evidence_digest));
  NEW.expires_at := NEW.decided_at + in_force.expires_in_ms * interval '1 millisecond';
  NEW.renewal := (SELECT count(*) FROM approval WHERE evidence_digest = NEW.evidence_digest
    AND decided_by = NEW.decided_by AND decision = NEW.decision AND expires_at <= clock_timestamp());
  RETURN NEW;
END $$;
CREATE TRIGGER b_start BEFORE INSERT ON approval FOR EACH ROW EXECUTE FUNCTION start_approval();

-- What asks for somebody's eyes: open until acknowledged, on record for ever.
CREATE TABLE alarm (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('break-glass', 'audit-not-signed')),
  subject text NOT NULL CHECK (length(subject) BETWEEN 3 AND 2000),
  text text NOT NULL,
  raised_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX alarm_by_time ON alarm (raised_at, id);
SELECT make_append_only('alarm');
SELECT make_rows_start('alarm', '{}', 'raised_at');
SELECT make_recorded('alarm');
SELECT make_audited('alarm');

CREATE TABLE alarm_acknowledgement (
  alarm uuid PRIMARY KEY REFERENCES alarm,
  acknowledged_by actor NOT NULL,
  reason text NOT NULL,
  acknowledged_at timestamptz NOT NULL DEFAULT now()
);
SELECT make_append_only('alarm_acknowledgement');
SELECT make_rows_start('alarm_acknowledgement', '{}', 'acknowledged_at');
SELECT make_pseudonymous('alarm_acknowledgement', 'acknowledged_by');
SELECT make_recorded('alarm_acknowledgement', '');
SELECT make_audited('alarm_acknowledgement');

CREATE FUNCTION tell_alarm() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM pg_notify('modelwright_alarm', to_jsonb(NEW) ->> TG_ARGV[0]);
  RETURN NULL;
END $$;
CREATE TRIGGER told AFTER INSERT ON alarm FOR EACH ROW EXECUTE FUNCTION tell_alarm('id');
CREATE TRIGGER told AFTER INSERT ON alarm_acknowledgement FOR EACH ROW EXECUTE FUNCTION tell_alarm('alarm');

-- Past an approval that is missing: one version, one environment, once, within a day, and with an alarm.
CREATE TABLE break_glass (
  id uuid PRIMARY KEY,
  model_version uuid NOT NULL REFERENCES model_version,
  environment entity_name NOT NULL,
  broken_by actor NOT NULL,
  reason text NOT NULL CHECK (reason <> ''),
  -- Digest of what was signed; null where people are believed by their word.
  statement text UNIQUE REFERENCES signed_statement (digest),
  alarm uuid NOT NULL UNIQUE REFERENCES alarm,
  broken_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX break_glass_by_version ON break_glass (model_version, environment);
SELECT make_append_only('break_glass');
SELECT make_rows_start('break_glass', '{}', 'broken_at');
SELECT make_pseudonymous('break_glass', 'broken_by');
SELECT make_recorded('break_glass');
SELECT make_audited('break_glass');

CREATE FUNCTION start_break_glass() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM require_statement(NEW.statement, NEW.broken_by, 'break-glass', format('{"environment":"%s","version":"%s@%s"}',
    NEW.environment, model, number)) FROM model_version WHERE id = NEW.model_version;
  RETURN NEW;
END $$;
CREATE TRIGGER b_start BEFORE INSERT ON break_glass FOR EACH ROW EXECUTE FUNCTION start_break_glass();

CREATE TABLE break_glass_use (
  break_glass uuid PRIMARY KEY REFERENCES break_glass,
  rollout text NOT NULL UNIQUE REFERENCES rollout,
  used_at timestamptz NOT NULL DEFAULT now()
);
SELECT make_append_only('break_glass_use');
SELECT make_rows_start('break_glass_use', '{}', 'used_at');
SELECT make_recorded('break_glass_use');
SELECT make_audited('break_glass_use');

-- Whether a version needs approvals in an environment: because a policy was set, or because the lifecycle that made it asks for
-- them there.
CREATE FUNCTION needs_approval(version model_version, in_environment text, in_force approval_policy) RETURNS boolean
  LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT in_force.environment IS NOT NULL OR EXISTS (SELECT FROM lifecycle WHERE id = version.lifecycle
    AND spec #>> '{approval,required}' = 'true' AND spec #>> '{deployment,environment}' IS NOT DISTINCT FROM in_environment)
$$;

-- What a version lacks to get traffic by a rollout that started at `moment`, or null. Judged as of then, so that a rollout that was
-- entitled goes on to its end; but an evaluation that says no counts whenever it comes. The same rules as core/approval.
CREATE FUNCTION missing_approval(of_version uuid, in_environment text, moment timestamptz) RETURNS text LANGUAGE plpgsql STABLE
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  version model_version%ROWTYPE;
  in_force approval_policy%ROWTYPE;
  standing record;
  approvers integer;
  rejections integer;
BEGIN
  SELECT * INTO version FROM model_version WHERE id = of_version;
  SELECT * INTO in_force FROM approval_policy_in_force(version.model, in_environment, moment);
  IF NOT needs_approval(version, in_environment, in_force) THEN
    RETURN NULL;
  END IF;
  SELECT * INTO standing FROM standing_evaluation(of_version);
  IF standing.blocked THEN
    RETURN 'its newest evaluation did not pass';
  END IF;
  SELECT count(DISTINCT decided_by) FILTER (WHERE decision = 'approve'), count(*) FILTER (WHERE decision = 'reject')
    INTO approvers, rejections FROM approval
    WHERE model_version = of_version AND environment = in_environment AND policy_digest = in_force.digest
      AND evaluation IS NOT DISTINCT FROM standing.id AND decided_at <= moment AND moment < expires_at
      -- Of the author only a rejection can be there, and that takes no role.
      AND (in_force.roles = '{}' OR roles && in_force.roles OR decided_by = find_actor_ref(started_by))
      AND (statement IS NOT NULL OR NOT in_force.requires_signature);
  -- Decided by the release before, about the report; only the default was there to ask for it.
  IF in_force.environment IS NULL AND approvers = 0 THEN
    SELECT count(*) INTO approvers FROM approval JOIN evaluation ON evaluation.id = standing.id
      WHERE approval.lifecycle = version.lifecycle AND approval.evidence IS NULL AND decision = 'approve'
        AND evidence_digest = evaluation.report_digest AND decided_at <= moment
        AND moment < decided_at + in_force.expires_in_ms * interval '1 millisecond';
  END IF;
  IF rejections > 0 THEN
    RETURN 'it was rejected';
  END IF;
  IF approvers < in_force.quorum THEN
    RETURN format('%s of %s approvals are there', approvers, in_force.quorum);
  END IF;
  RETURN NULL;
END $$;

-- A version gets traffic by a rollout that is entitled to it; or because it was the endpoint's champion before, since going back
-- needs nobody's leave.
CREATE FUNCTION check_epoch_approval() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  place text := (SELECT environment FROM endpoint WHERE name = NEW.endpoint);
  entitled rollout%ROWTYPE;
  served uuid;
  lacking text;
BEGIN
  -- One that ended in this very transaction promoted its canary by this epoch.
  SELECT * INTO entitled FROM rollout WHERE id = NEW.rollout AND (status = 'running' OR ended_at = now());
  FOREACH served IN ARRAY array_remove(ARRAY[NEW.champion_version, NEW.canary_version], NULL) LOOP
    IF served = entitled.canary_version THEN
      CONTINUE WHEN EXISTS (SELECT FROM break_glass_use JOIN break_glass ON break_glass.id = break_glass_use.break_glass
        WHERE break_glass_use.rollout = entitled.id AND break_glass.model_version = served AND break_glass.environment = place
          AND entitled.started_at < break_glass.broken_at + interval '24 hours');
      lacking := missing_approval(served, place, entitled.started_at);
    ELSE
      CONTINUE WHEN EXISTS (SELECT FROM routing_epoch AS earlier
        WHERE earlier.endpoint = NEW.endpoint AND earlier.epoch < NEW.epoch AND earlier.champion_version = served);
      lacking := missing_approval(served, place, clock_timestamp());
    END IF;
    IF lacking IS NOT NULL THEN
      RAISE EXCEPTION 'endpoint %, epoch %: version % is not approved for %: %', NEW.endpoint, NEW.epoch, served, place, lacking
        USING ERRCODE = 'check_violation', CONSTRAINT = 'routing_epoch_needs_approval';
    END IF;
  END LOOP;
  RETURN NULL;
END $$;
-- Deferred like needs_evidence: rollout, use of a broken glass and epoch come in one transaction.
CREATE CONSTRAINT TRIGGER needs_approval AFTER INSERT ON routing_epoch DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION check_epoch_approval();

-- Members see what is decided about their teams' models.
DROP POLICY own_team ON approval;
CREATE POLICY own_team ON approval FOR SELECT TO modelwright_member
  USING (lifecycle IN (SELECT id FROM lifecycle) OR model_version IN (SELECT id FROM model_version));
SELECT make_seen_by_team(seen, condition) FROM (VALUES
  ('approval_policy'::regclass, 'model IS NULL OR model IN (SELECT name FROM model)'),
  ('break_glass', 'model_version IN (SELECT id FROM model_version)'),
  ('break_glass_use', 'break_glass IN (SELECT id FROM break_glass)'),
  ('alarm', 'id IN (SELECT alarm FROM break_glass)'),
  ('alarm_acknowledgement', 'alarm IN (SELECT id FROM alarm)')
) AS given (seen, condition);
