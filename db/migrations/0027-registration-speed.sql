-- Recording in less time: fewer statements for the same. In a function each costs more than what it does to a row, so expressions stand
-- where queries stood, and what cannot be otherwise is not asked.

-- As before, looking for unknown names by a path instead of a query.
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
      unknown text := jsonb_path_query_first(rows, %3$L) #>> '{}';
    BEGIN
      IF rows IS NULL OR unknown IS NOT NULL THEN
        RAISE EXCEPTION '%%: a column "%%" is not recorded', %2$L, coalesce(unknown, 'NULL') USING ERRCODE = 'undefined_column';
      END IF;
      RETURN QUERY INSERT INTO %2$s (%4$s) SELECT %4$s FROM jsonb_populate_recordset(ROW(%5$s)::%2$s, rows)
        %6$s RETURNING *;
    END $$ $define$, recorder, recorded_table,
    (SELECT format('$[*].keyvalue().key ? (%s)', string_agg('@ != ' || to_json(name), ' && ')) FROM unnest(names) AS name),
    (SELECT string_agg(quote_ident(name), ', ') FROM unnest(names) AS name),
    defaults, 'ON CONFLICT ' || conflict || ' DO NOTHING');
  EXECUTE format('REVOKE EXECUTE ON FUNCTION %s(jsonb) FROM PUBLIC', recorder);
  EXECUTE format('GRANT EXECUTE ON FUNCTION %s(jsonb) TO modelwright_application', recorder);
END $make$;

-- All there are, each with the conflict it allows.
SELECT make_recorded(substring(prosrc FROM 'INSERT INTO (\w+)')::regclass, substring(prosrc FROM 'ON CONFLICT (.*) DO NOTHING'))
  FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'record\_%' AND prosrc LIKE '%is not recorded%';

-- As before; most tables start with the time alone.
CREATE OR REPLACE FUNCTION start_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  start jsonb;
  name text;
BEGIN
  IF TG_ARGV[0] = '{}' AND TG_ARGV[1] = '{created_at}' THEN
    NEW.created_at := clock_timestamp();
    RETURN NEW;
  END IF;
  start := TG_ARGV[0];
  FOREACH name IN ARRAY TG_ARGV[1]::text[] LOOP
    start := start || jsonb_build_object(name, clock_timestamp());
  END LOOP;
  NEW := jsonb_populate_record(NEW, start);
  RETURN NEW;
END $$;

-- As before; most versions have no parent.
CREATE OR REPLACE FUNCTION refuse_deleted() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  deleted text;
BEGIN
  -- A version holds the stronger lock already, by its number; taken after a weaker one it would deadlock with its like.
  IF TG_TABLE_NAME <> 'model_version' THEN PERFORM FROM model WHERE name = NEW.model FOR SHARE; END IF;
  SELECT NEW.model INTO deleted FROM model_state WHERE model = NEW.model AND state ? 'tombstone';
  IF deleted IS NULL AND TG_TABLE_NAME = 'model_version' THEN
    IF NEW.parent_version IS NOT NULL THEN
      SELECT parent.model || '@' || parent.number INTO deleted FROM model_version AS parent JOIN version_state USING (model, number)
        WHERE parent.id = NEW.parent_version AND state ? 'tombstone';
    END IF;
  ELSIF deleted IS NULL THEN
    SELECT served.model || '@' || served.number INTO deleted FROM model_version AS served JOIN version_state USING (model, number)
      WHERE served.id IN ((to_jsonb(NEW) ->> 'champion_version')::uuid, (to_jsonb(NEW) ->> 'canary_version')::uuid)
        AND state ? 'tombstone' LIMIT 1;
  END IF;
  IF deleted IS NOT NULL THEN
    RAISE EXCEPTION '% is deleted', deleted USING ERRCODE = 'check_violation', CONSTRAINT = 'not_deleted', DETAIL = deleted;
  END IF;
  RETURN NEW;
END $$;

-- As before, without a call for the pattern.
CREATE OR REPLACE FUNCTION actor_ref(called text) RETURNS text LANGUAGE plpgsql VOLATILE STRICT
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  found_ref text;
  new_salt bytea;
  new_name text := btrim(called);
BEGIN
  -- `is_actor_ref`
  IF called ~ '^(person/[0-9a-f]{32}|service/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$' THEN RETURN called; END IF;
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

-- As before, without the lock: who records an execution holds it already, and nobody else can add an edge but by the owner's accident.
CREATE OR REPLACE FUNCTION refuse_sealed() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM execution WHERE id = NEW.execution) THEN
    RAISE EXCEPTION 'execution %: it is sealed and takes no more edges', NEW.execution
      USING ERRCODE = 'check_violation', CONSTRAINT = 'execution_sealed';
  END IF;
  RETURN NEW;
END $$;

-- As before; what nothing on record made has no makers, and nothing upstream.
CREATE OR REPLACE FUNCTION seal_execution(sealed execution, inputs jsonb, outputs jsonb) RETURNS bigint LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  maker_count integer;
BEGIN
  SELECT coalesce(max(id), 0) + 1 INTO sealed.id FROM execution;
  INSERT INTO lineage_node (ref)
    SELECT DISTINCT edge.ref FROM jsonb_to_recordset(inputs || outputs) AS edge (ref text)
    WHERE (SELECT id FROM lineage_node WHERE lineage_node.ref = edge.ref) IS NULL ORDER BY 1;
  WITH made AS (
    INSERT INTO used (execution, node, role, made_by)
      SELECT sealed.id, node, role, CASE WHEN sealed.lifecycle IS NULL
        THEN (SELECT min(execution) FROM generated WHERE generated.node = found.node) ELSE maker_of(node, sealed.lifecycle) END
      FROM (SELECT DISTINCT (SELECT id FROM lineage_node WHERE lineage_node.ref = edge.ref) AS node, edge.role
        FROM jsonb_to_recordset(inputs) AS edge (ref text, role text)) AS found
      RETURNING made_by
  ) SELECT count(*), count(made_by) INTO sealed.used_count, maker_count FROM made;
  INSERT INTO generated (execution, node, role)
    SELECT DISTINCT sealed.id, (SELECT id FROM lineage_node WHERE lineage_node.ref = edge.ref), edge.role
    FROM jsonb_to_recordset(outputs) AS edge (ref text, role text);
  GET DIAGNOSTICS sealed.generated_count = ROW_COUNT;
  sealed.upstream := CASE WHEN maker_count = 0 THEN '{}' ELSE upstream_of_execution(sealed.id) END;
  INSERT INTO execution SELECT sealed.*;
  RETURN sealed.id;
END $$;

-- One lock for lineage and audit, as before: the head of the log.
CREATE OR REPLACE FUNCTION record_execution(recorded jsonb, inputs jsonb, outputs jsonb) RETURNS bigint LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  sealed execution := jsonb_populate_record(NULL::execution, recorded);
  head record := lock_audit_head('modelwright');
BEGIN
  sealed.started_at := coalesce(sealed.started_at, now());
  sealed.sealed_at := clock_timestamp();
  RETURN seal_execution(sealed, inputs, outputs);
END $$;
DROP FUNCTION lock_lineage();

-- As before; a new version says nothing of its own yet, and its model may be without tags and aliases.
CREATE OR REPLACE FUNCTION version_document(version model_version, place bigint, state jsonb, model_state jsonb, model_words tsvector)
  RETURNS TABLE (facets text[], words tsvector) LANGUAGE sql STABLE AS $$
  SELECT ARRAY['model ' || version.model, 'origin ' || version.origin, 'digest ' || version.artifact,
      'stage ' || coalesce(state ->> 'stage', 'none')]
    || slices
    || CASE WHEN version.lifecycle IS NULL THEN '{}' ELSE ARRAY[registry_facet('lifecycle', version.lifecycle)] END
    || CASE WHEN model_state ? 'alias'
      THEN ARRAY(SELECT 'alias ' || key FROM jsonb_each_text(model_state -> 'alias') WHERE value::integer = version.number) ELSE '{}' END
    || CASE WHEN state = '{}' THEN '{}' ELSE registry_facets(state) END
    || CASE WHEN model_state = '{}' THEN '{}' ELSE registry_facets(model_state) END,
    -- Among the words too, so that a search for what is without a word has something to go by.
    model_words || CASE WHEN state = '{}' THEN '' ELSE to_tsvector('english', registry_text(state)) END || array_to_tsvector(slices)
    FROM slice_facets(place, state ? 'tombstone' OR model_state ? 'tombstone') AS slices
$$;

-- As before, with the row of its bytes where they are not on record yet, and answering with the version's number alone: all else the
-- caller has told. Null when the key has its version already; then nothing else is recorded either.
CREATE FUNCTION register_version(bytes jsonb, version jsonb, execution jsonb, used jsonb, statement text, body text) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  kept artifact := jsonb_populate_record(NULL::artifact, bytes);
  made model_version := jsonb_populate_record(NULL::model_version, version);
  subject text;
  recorded bigint;
BEGIN
  IF bytes IS NOT NULL THEN INSERT INTO artifact SELECT kept.* ON CONFLICT DO NOTHING; END IF;
  INSERT INTO model_version SELECT made.* ON CONFLICT (lifecycle, round, name) DO NOTHING
    RETURNING model_version.number, model_version.created_by INTO made.number, made.created_by;
  IF NOT FOUND THEN RETURN NULL; END IF;
  subject := 'model/' || made.model || '@' || made.number;
  recorded := record_execution(execution, used, jsonb_build_array(jsonb_build_object('ref', subject, 'role', 'version')));
  recorded := record_audit('modelwright', made.created_by, statement, subject, body);
  RETURN made.number;
END $$;
GRANT EXECUTE ON FUNCTION register_version(jsonb, jsonb, jsonb, jsonb, text, text) TO modelwright_application;
