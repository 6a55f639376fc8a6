-- Tokens and roles that were in the wrong hands. A statement signed while its token was good stays good when the token is revoked; when it is
-- revoked as compromised nobody knows who signed, so what was decided with it counts no more wherever it was not used yet.

CREATE TABLE compromise (
  id uuid PRIMARY KEY,
  token text UNIQUE REFERENCES api_token,
  role_grant uuid UNIQUE REFERENCES role_grant,
  told_by actor NOT NULL,
  reason text NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT compromise_of_token_or_grant CHECK (num_nonnulls(token, role_grant) = 1)
);
SELECT make_append_only('compromise');
SELECT make_rows_start('compromise', '{}', 'at');
SELECT make_pseudonymous('compromise', 'told_by');
SELECT make_recorded('compromise', '');
SELECT make_audited('compromise');

-- Since when something decided counts no more, because the token that signed it, or a role by which it counted, was compromised; else
-- null. Of a role only what was decided while it was held.
CREATE FUNCTION compromised_at(signed text, by_whom text, with_roles text[], decided timestamptz) RETURNS timestamptz LANGUAGE sql STABLE
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT least(
    (SELECT compromise.at FROM signed_statement JOIN compromise ON compromise.token = signed_statement.token
     WHERE signed_statement.digest = signed),
    (SELECT min(compromise.at) FROM role_grant JOIN compromise ON compromise.role_grant = role_grant.id
       JOIN role_revocation ON role_revocation.role_grant = role_grant.id
     WHERE role_grant.principal = by_whom AND role_grant.role = ANY(with_roles)
       AND role_grant.at <= decided AND decided < role_revocation.at))
$$;
REVOKE EXECUTE ON FUNCTION compromised_at(text, text, text[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION compromised_at(text, text, text[], timestamptz) TO modelwright_application;

-- As before, but somebody whose decision counts no more may decide again.
CREATE OR REPLACE FUNCTION start_approval() RETURNS trigger LANGUAGE plpgsql
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
    AND decided_by = NEW.decided_by AND decision = NEW.decision
    AND (expires_at <= clock_timestamp() OR compromised_at(statement, decided_by, roles, decided_at) <= clock_timestamp()));
  RETURN NEW;
END $$;

-- As before, without what a compromised token or role decided.
CREATE OR REPLACE FUNCTION missing_approval(of_version uuid, in_environment text, moment timestamptz) RETURNS text LANGUAGE plpgsql STABLE
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
      AND (statement IS NOT NULL OR NOT in_force.requires_signature)
      AND coalesce(compromised_at(statement, decided_by, roles, decided_at) > moment, true);
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

-- As before, but glass that was broken with a compromised token is whole.
CREATE OR REPLACE FUNCTION check_epoch_approval() RETURNS trigger LANGUAGE plpgsql
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
          AND entitled.started_at < break_glass.broken_at + interval '24 hours'
          AND coalesce(compromised_at(break_glass.statement, broken_by, '{}', broken_at) > entitled.started_at, true));
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

-- Purposes, descriptions and tags are anybody's text and may name people. The audit log holds a salted commitment to each; the history holds
-- text and salt, and can have both erased: then the commitment stands in place of the text.
ALTER TABLE registry_entry ADD COLUMN salt bytea;
SELECT make_recorded('registry_entry');

CREATE FUNCTION salt_registry_entry() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  NEW.salt := CASE WHEN NEW.attribute IN ('purpose', 'description', 'tag') AND NEW.value IS NOT NULL THEN create_salt() END;
  RETURN NEW;
END $$;
CREATE TRIGGER b_salted BEFORE INSERT ON registry_entry FOR EACH ROW EXECUTE FUNCTION salt_registry_entry();

-- The commitment to what an entry says; one that an earlier release recorded has no salt, and gets one that nobody keeps.
CREATE FUNCTION registry_commitment(entry registry_entry) RETURNS jsonb LANGUAGE sql VOLATILE
  SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT to_jsonb('text/' || encode(sha256(coalesce(entry.salt, create_salt()) || convert_to(entry.value #>> '{}', 'UTF8')), 'hex'))
$$;

-- An entry is never rewritten, only erased.
CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF to_jsonb(NEW) - 'value' - 'salt' = to_jsonb(OLD) - 'value' - 'salt' AND NEW.salt IS NULL
     AND OLD.attribute IN ('purpose', 'description', 'tag') AND NEW.value #>> '{}' ~ '^text/[0-9a-f]{64}$'
     AND (OLD.salt IS NULL AND OLD.value #>> '{}' !~ '^text/[0-9a-f]{64}$' OR NEW.value = registry_commitment(OLD)) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'registry_entry is append-only: what it says can be erased and not rewritten'
    USING ERRCODE = 'integrity_constraint_violation';
END $$;
DROP TRIGGER append_only ON registry_entry;
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON registry_entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER only_erased BEFORE UPDATE ON registry_entry FOR EACH ROW EXECUTE FUNCTION refuse_rewriting();
-- The present, and what searches find, follow.
CREATE TRIGGER reprojected AFTER UPDATE ON registry_entry FOR EACH ROW EXECUTE FUNCTION project_registry_entry();

-- Takes away everything that was ever said in one place: of a model (number null) or a version. Returns how many entries said something.
CREATE FUNCTION erase_said(of_model text, of_number integer, of_attribute text, of_key text) RETURNS integer LANGUAGE plpgsql VOLATILE
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  erased_count integer;
BEGIN
  PERFORM FROM model WHERE name = of_model FOR NO KEY UPDATE;
  UPDATE registry_entry SET value = registry_commitment(registry_entry), salt = NULL
    WHERE model = of_model AND number IS NOT DISTINCT FROM of_number AND attribute = of_attribute AND key = of_key
      AND value IS NOT NULL AND (salt IS NOT NULL OR value #>> '{}' !~ '^text/[0-9a-f]{64}$');
  GET DIAGNOSTICS erased_count = ROW_COUNT;
  RETURN erased_count;
END $$;
REVOKE EXECUTE ON FUNCTION salt_registry_entry(), registry_commitment(registry_entry), refuse_rewriting(),
  erase_said(text, integer, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_said(text, integer, text, text) TO modelwright_application;
