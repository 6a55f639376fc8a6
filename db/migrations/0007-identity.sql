-- People, service accounts, their roles and tokens; and personal data apart from everything that is kept for ever.

-- Two spellings of one name are one person: letter case and Unicode's ways of writing a character do not count.
CREATE FUNCTION name_key(name text) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT lower(normalize(btrim(name), NFKC) COLLATE "pg_c_utf8")
$$;

CREATE FUNCTION is_actor_ref(text) RETURNS boolean LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT $1 ~ '^(person/[0-9a-f]{32}|service/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$'
$$;

-- 32 bytes from the server's source of strong randomness.
CREATE FUNCTION create_salt() RETURNS bytea LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
$$;

-- What opens a pseudonym. Erased on request: then the pseudonym says that it was one person and no longer who, and without
-- the salt no guess at the name can be tried.
CREATE TABLE person_name (
  ref text PRIMARY KEY,
  salt bytea NOT NULL CHECK (length(salt) = 32),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200 AND name = btrim(name)),
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (ref = 'person/' || left(encode(sha256(salt || convert_to(name, 'UTF8')), 'hex'), 32))
);
CREATE UNIQUE INDEX person_name_once ON person_name (name_key(name));

-- What opens a commitment to something a person wrote: reasons of decisions and requests.
CREATE TABLE person_text (
  ref text PRIMARY KEY,
  author text NOT NULL CHECK (is_actor_ref(author)),
  salt bytea NOT NULL CHECK (length(salt) = 32),
  content text NOT NULL CHECK (content <> ''),
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (ref = 'text/' || encode(sha256(salt || convert_to(content, 'UTF8')), 'hex'))
);
CREATE INDEX person_text_by_author ON person_text (author);
GRANT SELECT ON person_name, person_text TO modelwright_application;
-- Members see who did what with their models, and what was said at an approval.
SELECT make_seen_by_team('person_name', $$ref IN (SELECT started_by FROM lifecycle UNION ALL SELECT created_by FROM model_version
  UNION ALL SELECT decided_by FROM approval UNION ALL SELECT started_by FROM rollout
  UNION ALL SELECT created_by FROM routing_epoch)$$);
SELECT make_seen_by_team('person_text', 'ref IN (SELECT reason FROM approval)');

-- They can be erased and not rewritten.
CREATE TRIGGER never_rewritten BEFORE UPDATE OR TRUNCATE ON person_name FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_rewritten BEFORE UPDATE OR TRUNCATE ON person_text FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE CONSTRAINT TRIGGER erased_with_audit_event AFTER DELETE ON person_name DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION require_audit_event();
CREATE CONSTRAINT TRIGGER erased_with_audit_event AFTER DELETE ON person_text DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION require_audit_event();

CREATE TABLE principal (
  ref text PRIMARY KEY CHECK (is_actor_ref(ref)),
  kind text NOT NULL CHECK (kind IN ('person', 'service')),
  registered_by actor NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  CHECK (kind = split_part(ref, '/', 1))
);

-- The actor as it is stored, whatever it was called: a ref stays, a service account is known by its bare name, anybody else is
-- a person and gets a pseudonym at the first sight.
CREATE FUNCTION actor_ref(called text) RETURNS text LANGUAGE plpgsql VOLATILE STRICT
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  found_ref text;
  new_salt bytea;
  new_name text := btrim(called);
BEGIN
  IF is_actor_ref(called) THEN RETURN called; END IF;
  -- How release 0.1.0 called its own parts.
  IF called ~ '^modelwright/[a-z-]+$' THEN RETURN 'service/' || split_part(called, '/', 2); END IF;
  SELECT ref INTO found_ref FROM person_name WHERE name_key(name) = name_key(called);
  IF NOT FOUND THEN
    SELECT ref INTO found_ref FROM principal WHERE ref = 'service/' || name_key(called);
  END IF;
  IF NOT FOUND THEN
    new_salt := create_salt();
    found_ref := 'person/' || left(encode(sha256(new_salt || convert_to(new_name, 'UTF8')), 'hex'), 32);
    INSERT INTO person_name (ref, salt, name) VALUES (found_ref, new_salt, new_name) ON CONFLICT DO NOTHING;
    -- Somebody else may have been first; a statement of its own sees him.
    SELECT ref INTO STRICT found_ref FROM person_name WHERE name_key(name) = name_key(called);
  END IF;
  RETURN found_ref;
END $$;

-- The same without making anybody known: null for a name that was never seen.
CREATE FUNCTION find_actor_ref(called text) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT CASE WHEN is_actor_ref(called) THEN called ELSE coalesce(
    (SELECT ref FROM person_name WHERE name_key(name) = name_key(called)),
    (SELECT ref FROM principal WHERE ref = 'service/' || name_key(called))) END
$$;

-- The commitment that stands for a text; it opens as long as the text is not erased. An empty text says nothing about anybody.
CREATE FUNCTION commit_text(said text, said_by text, said_salt bytea DEFAULT NULL) RETURNS text LANGUAGE plpgsql VOLATILE
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  text_salt bytea := coalesce(said_salt, create_salt());
  text_ref text := 'text/' || encode(sha256(text_salt || convert_to(said, 'UTF8')), 'hex');
BEGIN
  IF said = '' THEN RETURN ''; END IF;
  INSERT INTO person_text (ref, author, salt, content) VALUES (text_ref, said_by, text_salt, said) ON CONFLICT DO NOTHING;
  RETURN text_ref;
END $$;

-- Takes name, salts and texts away; returns how many texts. The pseudonym stays wherever it stands.
CREATE FUNCTION erase_person(erased text) RETURNS integer LANGUAGE plpgsql VOLATILE
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  erased_count integer;
BEGIN
  DELETE FROM person_text WHERE author = erased;
  GET DIAGNOSTICS erased_count = ROW_COUNT;
  DELETE FROM person_name WHERE ref = erased;
  RETURN erased_count;
END $$;
REVOKE EXECUTE ON FUNCTION actor_ref(text), find_actor_ref(text), commit_text(text, text, bytea), erase_person(text),
  create_salt() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION actor_ref(text), find_actor_ref(text), commit_text(text, text, bytea), erase_person(text)
  TO modelwright_application;

-- Makes the named columns of new rows hold refs whatever the INSERT says, so that no caller can forget it.
CREATE FUNCTION make_pseudonymous(told_table regclass, VARIADIC actors text[]) RETURNS void LANGUAGE plpgsql AS $make$
DECLARE
  told text := (SELECT relname FROM pg_class WHERE oid = told_table);
  changes text := (SELECT string_agg(format('NEW.%1$I := actor_ref(NEW.%1$I);', name), ' ') FROM unnest(actors) AS name);
BEGIN
  EXECUTE format('CREATE FUNCTION %I() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$ BEGIN %s RETURN NEW; END $$', told || '_actors', changes);
  EXECUTE format('REVOKE EXECUTE ON FUNCTION %I() FROM PUBLIC', told || '_actors');
  EXECUTE format('CREATE TRIGGER a_actors BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION %I()', told_table, told || '_actors');
END $make$;
REVOKE EXECUTE ON FUNCTION make_pseudonymous(regclass, text[]) FROM PUBLIC;

SELECT make_pseudonymous('lifecycle', 'started_by');
SELECT make_pseudonymous('model_version', 'created_by');
SELECT make_pseudonymous('rollout', 'started_by');
SELECT make_pseudonymous('routing_epoch', 'created_by');
-- `started_by` there is a copy that a foreign key keeps true, and may be the name that an earlier release wrote.
SELECT make_pseudonymous('approval', 'decided_by');

CREATE FUNCTION check_approver_is_another() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NEW.decision = 'approve' AND NEW.decided_by = actor_ref(NEW.started_by) THEN
    RAISE EXCEPTION 'lifecycle %: whoever started it may not approve it', NEW.lifecycle
      USING ERRCODE = 'check_violation', CONSTRAINT = 'approval_not_by_author';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER approver_is_another BEFORE INSERT ON approval FOR EACH ROW EXECUTE FUNCTION check_approver_is_another();

SELECT make_pseudonymous('principal', 'registered_by');

-- A team a principal is in, since then; null is none.
CREATE TABLE team_membership (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  principal text NOT NULL REFERENCES principal,
  team entity_name,
  set_by actor NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX team_membership_by_principal ON team_membership (principal, id);
SELECT make_pseudonymous('team_membership', 'set_by');

CREATE TABLE role_grant (
  id uuid PRIMARY KEY,
  principal text NOT NULL REFERENCES principal,
  role text NOT NULL CHECK (role IN ('viewer', 'engineer', 'approver', 'operator', 'administrator', 'auditor')),
  -- Null: of every model, in every environment. A model need not be there yet.
  model entity_name,
  environment entity_name,
  granted_by actor NOT NULL,
  reason text NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX role_grant_by_principal ON role_grant (principal);
SELECT make_pseudonymous('role_grant', 'granted_by');
CREATE TABLE role_revocation (
  role_grant uuid PRIMARY KEY REFERENCES role_grant,
  revoked_by actor NOT NULL,
  reason text NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
SELECT make_pseudonymous('role_revocation', 'revoked_by');

CREATE TABLE api_token (
  id text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{16}$'),
  principal text NOT NULL REFERENCES principal,
  label entity_name NOT NULL,
  -- SHA-256 of the whole token, which nobody keeps but its holder.
  hash digest NOT NULL UNIQUE,
  -- Ed25519, base64url: what signatures of the token are checked with.
  public_key text NOT NULL CHECK (public_key ~ '^[A-Za-z0-9_-]{43}$'),
  scope jsonb NOT NULL,
  expires_at timestamptz NOT NULL,
  issued_by actor NOT NULL,
  reason text NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  CHECK (expires_at > at)
);
CREATE INDEX api_token_by_principal ON api_token (principal);
SELECT make_pseudonymous('api_token', 'issued_by');
CREATE TABLE token_revocation (
  token text PRIMARY KEY REFERENCES api_token,
  revoked_by actor NOT NULL,
  reason text NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
SELECT make_pseudonymous('token_revocation', 'revoked_by');

-- Statements that were accepted, each once. Kept whole, because they hold no personal data.
CREATE TABLE signed_statement (
  nonce text PRIMARY KEY,
  token text NOT NULL REFERENCES api_token,
  -- SHA-256 of the canonical statement; audit events name it.
  digest digest NOT NULL UNIQUE,
  statement jsonb NOT NULL,
  signature text NOT NULL,
  -- The step that used it: its next attempt may, nobody else.
  used_for text NOT NULL CHECK (length(used_for) BETWEEN 1 AND 1000),
  at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE identity_setting (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  mode text NOT NULL CHECK (mode IN ('declared', 'required')),
  set_by actor NOT NULL,
  reason text NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
SELECT make_pseudonymous('identity_setting', 'set_by');

DO $$
DECLARE
  made regclass;
BEGIN
  FOREACH made IN ARRAY ARRAY['principal', 'team_membership', 'role_grant', 'role_revocation', 'api_token', 'token_revocation',
    'signed_statement', 'identity_setting']::regclass[] LOOP
    PERFORM make_append_only(made);
    PERFORM make_rows_start(made, '{}', 'at');
    PERFORM make_recorded(made, '');
    -- A statement is recorded with the deed it proves, and the deed has the event.
    IF made <> 'signed_statement'::regclass THEN PERFORM make_audited(made); END IF;
  END LOOP;
END $$;
