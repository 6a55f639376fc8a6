-- Recording in less time: whoever records a governed thing holds the audit log's head meanwhile, and everybody else waits.

-- As before, with a statement that is planned once a session and not at every call. `record_TABLE` knows the columns the table has now:
-- a migration that adds one makes the recorder anew. What the database finds itself, numbers and generated columns, is not to be given.
CREATE OR REPLACE FUNCTION make_recorded(recorded_table regclass, conflict text DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $make$
DECLARE
  recorder text := quote_ident('record_' || (SELECT relname FROM pg_class WHERE oid = recorded_table));
  names text[];
  -- A row of the defaults: what a given row leaves out.
  defaults text;
BEGIN
  SELECT array_agg(attname ORDER BY attnum) FILTER (WHERE NOT own),
      string_agg(CASE WHEN own THEN 'NULL' ELSE default_of END, ', ' ORDER BY attnum)
    INTO names, defaults
    FROM (SELECT attnum, attname, coalesce(pg_get_expr(adbin, adrelid), 'NULL') AS default_of,
        attidentity <> '' OR attgenerated <> '' OR coalesce(pg_get_expr(adbin, adrelid) LIKE 'nextval(%', false) AS own
      FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
      WHERE attrelid = recorded_table AND attnum > 0 AND NOT attisdropped) AS told;
  EXECUTE format($define$
    CREATE OR REPLACE FUNCTION %1$s(rows jsonb) RETURNS SETOF %2$s LANGUAGE plpgsql
      SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    #variable_conflict use_column
    DECLARE
      unknown text := (SELECT name FROM jsonb_array_elements(rows) AS element, jsonb_object_keys(element) AS name
        WHERE name <> ALL (%3$L::text[]) LIMIT 1);
    BEGIN
      IF rows IS NULL OR unknown IS NOT NULL THEN
        RAISE EXCEPTION '%%: a column "%%" is not recorded', %2$L, coalesce(unknown, 'NULL') USING ERRCODE = 'undefined_column';
      END IF;
      RETURN QUERY INSERT INTO %2$s (%4$s) SELECT %4$s FROM jsonb_populate_recordset(ROW(%5$s)::%2$s, rows)
        %6$s RETURNING *;
    END $$ $define$, recorder, recorded_table, names, (SELECT string_agg(quote_ident(name), ', ') FROM unnest(names) AS name),
    defaults, 'ON CONFLICT ' || conflict || ' DO NOTHING');
  EXECUTE format('REVOKE EXECUTE ON FUNCTION %s(jsonb) FROM PUBLIC', recorder);
  EXECUTE format('GRANT EXECUTE ON FUNCTION %s(jsonb) TO modelwright_application', recorder);
END $make$;

-- All there are, each with the conflict it allows.
DO $$
DECLARE
  made text[];
BEGIN
  FOR made IN SELECT regexp_match(prosrc, $told$insert_statement\('(.*)', rows, (?:'(.*)'|NULL)\)$told$)
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'record\_%' AND prosrc LIKE '%insert_statement(%'
  LOOP
    PERFORM make_recorded(made[1]::regclass, made[2]);
  END LOOP;
END $$;
DROP FUNCTION insert_statement(regclass, jsonb, text);

-- A version, how it came and the audit event that tells it, in one call: between three, every other writer would wait for the way to the
-- application and back. Returns no row when the key has its version already; then nothing else is recorded either.
CREATE FUNCTION register_version(version jsonb, execution jsonb, used jsonb, statement text, body text) RETURNS SETOF model_version
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  made model_version;
  subject text;
BEGIN
  SELECT * INTO made FROM record_model_version(jsonb_build_array(version));
  IF NOT FOUND THEN RETURN; END IF;
  subject := 'model/' || made.model || '@' || made.number;
  PERFORM record_execution(execution, used, jsonb_build_array(jsonb_build_object('ref', subject, 'role', 'version')));
  PERFORM record_audit('modelwright', made.created_by, statement, subject, body);
  RETURN NEXT made;
END $$;
GRANT EXECUTE ON FUNCTION register_version(jsonb, jsonb, jsonb, text, text) TO modelwright_application;

-- As before, looking for the head before making one: it is missing once.
CREATE OR REPLACE FUNCTION lock_audit_head(wanted_stream text, OUT seq bigint, OUT hash bytea, OUT at text) LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  SELECT head.seq, head.hash INTO lock_audit_head.seq, lock_audit_head.hash
    FROM audit_head AS head WHERE head.stream = wanted_stream FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO audit_head (stream, seq, hash) VALUES (wanted_stream, 0, decode(repeat('00', 32), 'hex')) ON CONFLICT DO NOTHING;
    SELECT head.seq, head.hash INTO lock_audit_head.seq, lock_audit_head.hash
      FROM audit_head AS head WHERE head.stream = wanted_stream FOR UPDATE;
  END IF;
  at := to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
END $$;

-- As before, without reading the event's place, time and kind out of the bytes that it has put together itself.
CREATE OR REPLACE FUNCTION record_audit(of_stream text, called text, of_statement text, about text, body text) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  -- Before the lock: a new name gets its pseudonym here.
  actor text := actor_ref(called);
  told jsonb := body;
  event bytea;
  head record;
BEGIN
  -- Whole in itself, or it could bring fields of the event along.
  IF jsonb_typeof(told) <> 'object' THEN
    RAISE EXCEPTION 'audit stream %: the body of an event is an object, not %', of_stream, body
      USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_event_has_body';
  END IF;
  head := lock_audit_head(of_stream);
  event := convert_to(concat('{"actor":', to_json(actor), ',"at":"', head.at, '","body":', body, ',"seq":', head.seq + 1,
    ',"statement":' || to_json(of_statement), ',"stream":', to_json(of_stream), ',"subject":', to_json(about), '}'), 'UTF8');
  INSERT INTO audit_event (stream, seq, at, actor, kind, subject, body, previous_hash, hash)
    VALUES (of_stream, head.seq + 1, head.at::timestamptz, actor, told ->> 'kind', about, event, head.hash, sha256(head.hash || event));
  RETURN head.seq + 1;
END $$;

-- As before, without a query for each row.
CREATE OR REPLACE FUNCTION start_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  start jsonb := TG_ARGV[0];
  name text;
BEGIN
  FOREACH name IN ARRAY TG_ARGV[1]::text[] LOOP
    start := start || jsonb_build_object(name, clock_timestamp());
  END LOOP;
  NEW := jsonb_populate_record(NEW, start);
  RETURN NEW;
END $$;

-- As before, from the row at hand.
CREATE OR REPLACE FUNCTION start_version_state() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  place bigint := nextval('version_place');
BEGIN
  INSERT INTO version_state (model, number, place, slice, created_at, facets, words)
    SELECT NEW.model, NEW.number, place, place / 8192, NEW.created_at, document.facets, document.words
    FROM model_state AS owner, version_document(NEW, place, '{}', owner.state, owner.words) AS document
    WHERE owner.model = NEW.model;
  RETURN NULL;
END $$;
