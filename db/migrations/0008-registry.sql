-- The registry's changeable side: an append-only bitemporal history, the present as a projection of it, and search over that.

-- What is said about a model (number is null) or one of its versions. An entry says what is true from `valid_from` on, and
-- `recorded_at` when it became known here. Of the entries of one slot (model, number, attribute, key) the one with the greatest
-- (valid_from, id) is true; a null value takes away what was said before.
CREATE SEQUENCE registry_entry_id;
CREATE TABLE registry_entry (
  id bigint PRIMARY KEY DEFAULT nextval('registry_entry_id'),
  model entity_name NOT NULL REFERENCES model,
  number integer,
  attribute text NOT NULL CHECK (attribute IN ('owner', 'purpose', 'risk-tier', 'team', 'description', 'tag', 'alias', 'stages',
    'stage', 'tombstone')),
  -- Of a tag or an alias its name; else empty.
  key text NOT NULL DEFAULT '',
  value jsonb,
  -- Infinity in an INSERT: from when it is recorded, which is under the lock and not when the transaction began.
  valid_from timestamptz NOT NULL DEFAULT 'infinity',
  recorded_at timestamptz NOT NULL DEFAULT now(),
  recorded_by actor NOT NULL,
  reason text NOT NULL DEFAULT '' CHECK (length(reason) <= 2000),
  FOREIGN KEY (model, number) REFERENCES model_version (model, number),
  CONSTRAINT registry_entry_subject CHECK (CASE
    WHEN attribute = 'stage' THEN number IS NOT NULL
    WHEN attribute IN ('description', 'tag', 'tombstone') THEN true
    ELSE number IS NULL END),
  CONSTRAINT registry_entry_key CHECK (CASE attribute
    WHEN 'tag' THEN length(key) BETWEEN 1 AND 250
    -- Never what could be taken for a version's number.
    WHEN 'alias' THEN key ~ '^[A-Za-z][A-Za-z0-9_.-]{0,62}$' AND key !~* '^(v[0-9]+|latest)$'
    ELSE key = '' END),
  CONSTRAINT registry_entry_value CHECK (value IS NULL OR CASE attribute
    WHEN 'alias' THEN jsonb_typeof(value) = 'number' AND value #>> '{}' ~ '^[1-9][0-9]{0,8}$'
    WHEN 'stages' THEN jsonb_typeof(value) = 'array' AND jsonb_array_length(value) BETWEEN 1 AND 20
    WHEN 'tombstone' THEN value = 'true'
    ELSE jsonb_typeof(value) = 'string' AND CASE attribute
      WHEN 'risk-tier' THEN value #>> '{}' IN ('low', 'medium', 'high', 'unknown')
      WHEN 'stage' THEN value #>> '{}' ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' AND value <> '"none"'
      WHEN 'team' THEN value #>> '{}' ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'
      WHEN 'owner' THEN length(value #>> '{}') BETWEEN 1 AND 200
      WHEN 'tag' THEN length(value #>> '{}') <= 5000
      ELSE length(value #>> '{}') BETWEEN 1 AND 2000 END END)
);
CREATE INDEX registry_entry_slot ON registry_entry (model, number, attribute, key, valid_from DESC, id DESC);
SELECT make_append_only('registry_entry');
SELECT make_recorded('registry_entry');

-- The one rule of truth: what was true at `as_of`, as far as it was known at `known_at`. Inlined by the planner, so a condition on
-- model or number outside uses the index inside. A row with a null value was taken away.
CREATE FUNCTION registry_truth(as_of timestamptz, known_at timestamptz) RETURNS SETOF registry_entry LANGUAGE sql STABLE AS $$
  SELECT DISTINCT ON (model, number, attribute, key) * FROM registry_entry
    WHERE recorded_at <= known_at AND valid_from <= as_of
    ORDER BY model, number, attribute, key, valid_from DESC, id DESC
$$;

-- State: the truth about one model or version as JSON: {"owner": "ada", "tag": {"country": "NO"}, "alias": {"best": 3}}.
CREATE FUNCTION registry_put(state jsonb, attribute text, key text, value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN key <> '' AND value IS NOT NULL
      THEN state || jsonb_build_object(attribute, coalesce(state -> attribute, '{}') || jsonb_build_object(key, value))
    WHEN key <> '' AND (state -> attribute) - key <> '{}' THEN state || jsonb_build_object(attribute, (state -> attribute) - key)
    WHEN value IS NOT NULL THEN state || jsonb_build_object(attribute, value)
    ELSE state - attribute END
$$;
CREATE AGGREGATE registry_state(attribute text, key text, value jsonb) (SFUNC = registry_put, STYPE = jsonb, INITCOND = '{}');

-- A facet is one thing a search can ask for by its exact value: `stage production`, `tag country=NO`. Long ones by their digest,
-- because an index takes no more.
CREATE FUNCTION registry_facet(attribute text, value text) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT attribute || ' ' || CASE WHEN length(value) <= 200 THEN value ELSE encode(sha256(convert_to(value, 'UTF8')), 'hex') END
$$;
CREATE FUNCTION registry_facets(state jsonb) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT array_remove(ARRAY[registry_facet('owner', state ->> 'owner'), registry_facet('risk-tier', state ->> 'risk-tier'),
      registry_facet('team', state ->> 'team')], NULL)
    || ARRAY(SELECT registry_facet('tag', key || '=' || value) FROM jsonb_each_text(state -> 'tag'))
$$;
-- The words of a state. Of a long tag its beginning: a document has a largest size, and nobody searches for the end of a blob.
CREATE FUNCTION registry_text(state jsonb) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT concat_ws(' ', state ->> 'purpose', state ->> 'description',
    (SELECT string_agg(key || ' ' || left(value, 1000), ' ' ORDER BY key) FROM jsonb_each_text(state -> 'tag')))
$$;
-- The present of a model and of a version. Written by triggers alone.
CREATE TABLE model_state (
  model entity_name PRIMARY KEY REFERENCES model,
  state jsonb NOT NULL DEFAULT '{}',
  facets text[] NOT NULL DEFAULT '{}',
  -- `flight-delay` is found by `flight`, `delay` and `flight-delay`.
  words tsvector NOT NULL DEFAULT ''
);
CREATE INDEX model_state_search ON model_state USING gin (facets, words) WITH (fastupdate = off);
GRANT SELECT ON model_state TO modelwright_application;

-- Versions are searched newest first, slice by slice of one order of registration. One index holds facets and words; the slice is
-- a facet too, so that a page costs at most a slice's hits however many versions match, and what is rare passes over a slice in
-- the time of a look-up. There is no index by place on purpose: the planner would walk it.
CREATE SEQUENCE version_place MINVALUE 0;
CREATE TABLE version_state (
  model entity_name NOT NULL,
  number integer NOT NULL,
  place bigint NOT NULL,
  slice integer NOT NULL,
  created_at timestamptz NOT NULL,
  state jsonb NOT NULL DEFAULT '{}',
  facets text[] NOT NULL DEFAULT '{}',
  words tsvector NOT NULL DEFAULT '',
  PRIMARY KEY (model, number),
  FOREIGN KEY (model, number) REFERENCES model_version (model, number)
);
CREATE INDEX version_state_by_time ON version_state (slice, created_at);
GRANT SELECT ON version_state TO modelwright_application;
GRANT SELECT ON SEQUENCE version_place TO modelwright_application;

-- A document is what a search looks into. These two return one row; as a set, so that the planner inlines them.
CREATE FUNCTION model_document(model_name text, model_state jsonb) RETURNS TABLE (facets text[], words tsvector)
  LANGUAGE sql STABLE AS $$
  SELECT registry_facets(model_state)
      || ARRAY['model ' || model_name, CASE WHEN model_state ? 'tombstone' THEN 'deleted' ELSE 'live' END],
    to_tsvector('english', concat_ws(' ', model_name, registry_text(model_state)))
$$;
-- The small, the middle and the large slice a place is in. Whether the version is deleted is part of the same facet: as one of its own,
-- nearly all versions would have it, and every search would pay for walking that list.
CREATE FUNCTION slice_facet(width integer, place bigint, deleted boolean) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN deleted THEN 'deleted ' ELSE 'live ' END || width || ' ' || place / width
$$;
CREATE FUNCTION slice_facets(place bigint, deleted boolean) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
  SELECT ARRAY[slice_facet(1024, place, deleted), slice_facet(8192, place, deleted), slice_facet(65536, place, deleted)]
$$;
-- A version's: its own facets and words, what never changes about it, its aliases, and those of its model. So two words of a
-- search may stand in two places; the price is that a word changed about a model is changed about all its versions.
CREATE FUNCTION version_document(version model_version, place bigint, state jsonb, model_state jsonb, model_words tsvector)
  RETURNS TABLE (facets text[], words tsvector) LANGUAGE sql STABLE AS $$
  SELECT ARRAY['model ' || version.model, 'origin ' || version.origin, 'digest ' || version.artifact,
      'stage ' || coalesce(state ->> 'stage', 'none')]
    || slices
    || CASE WHEN version.lifecycle IS NULL THEN '{}' ELSE ARRAY[registry_facet('lifecycle', version.lifecycle)] END
    || ARRAY(SELECT 'alias ' || key FROM jsonb_each_text(model_state -> 'alias') WHERE value::integer = version.number)
    || registry_facets(state) || registry_facets(model_state),
    -- Among the words too, so that a search for what is without a word has something to go by.
    model_words || to_tsvector('english', registry_text(state)) || array_to_tsvector(slices)
    FROM slice_facets(place, state ? 'tombstone' OR model_state ? 'tombstone') AS slices
$$;
-- The present document of one version, were its own state `state`.
CREATE FUNCTION present_document(of_model text, of_number integer, place bigint, state jsonb) RETURNS TABLE (facets text[], words tsvector)
  LANGUAGE sql STABLE AS $$
  SELECT document.* FROM model_version AS version JOIN model_state AS owner ON owner.model = version.model,
    version_document(version, present_document.place, present_document.state, owner.state, owner.words) AS document
    WHERE version.model = of_model AND version.number = of_number
$$;

CREATE FUNCTION start_model_state() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO model_state (model, facets, words) SELECT NEW.name, document.* FROM model_document(NEW.name, '{}') AS document;
  RETURN NULL;
END $$;
CREATE TRIGGER a_state_started AFTER INSERT ON model FOR EACH ROW EXECUTE FUNCTION start_model_state();

CREATE FUNCTION start_version_state() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  place bigint := nextval('version_place');
BEGIN
  INSERT INTO version_state (model, number, place, slice, created_at, facets, words)
    SELECT NEW.model, NEW.number, place, place / 8192, NEW.created_at, facets, words
    FROM present_document(NEW.model, NEW.number, place, '{}');
  RETURN NULL;
END $$;
CREATE TRIGGER state_started AFTER INSERT ON model_version FOR EACH ROW EXECUTE FUNCTION start_version_state();

-- Why something may not be deleted, or null when it may. `versions` are ids.
CREATE FUNCTION registry_use(model_name text, versions uuid[], numbers integer[]) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT found.use FROM (
    SELECT 'it serves on endpoint ' || endpoint.name AS use
      FROM endpoint JOIN routing_epoch AS epoch ON epoch.endpoint = endpoint.name AND epoch.epoch = endpoint.current_epoch
      WHERE endpoint.model = model_name AND (epoch.champion_version = ANY (versions) OR epoch.canary_version = ANY (versions))
    UNION ALL
    SELECT 'rollout ' || id || ' is under way with it' FROM rollout
      WHERE model = model_name AND status = 'running' AND (champion_version = ANY (versions) OR canary_version = ANY (versions))
    UNION ALL
    -- The champion before the present one is where a rollback goes.
    SELECT 'a rollback of endpoint ' || endpoint.name || ' goes back to it'
      FROM endpoint JOIN routing_epoch AS epoch ON epoch.endpoint = endpoint.name AND epoch.epoch = endpoint.current_epoch
      CROSS JOIN LATERAL (SELECT past.champion_version FROM routing_epoch AS past
        WHERE past.endpoint = endpoint.name AND past.champion_version IS NOT NULL
          AND past.champion_version IS DISTINCT FROM epoch.champion_version ORDER BY past.epoch DESC LIMIT 1) AS former
      WHERE endpoint.model = model_name AND former.champion_version = ANY (versions)
    UNION ALL
    SELECT 'monitor ' || id || ' watches it' FROM monitor WHERE model = model_name AND active AND model_version = ANY (versions)
    UNION ALL
    SELECT 'alias ' || alias.key || ' points to it' FROM model_state, jsonb_each_text(state -> 'alias') AS alias
      WHERE model_state.model = model_name AND alias.value::integer = ANY (numbers)
    UNION ALL
    SELECT 'version ' || child.number || ' was made from it and is not deleted'
      FROM model_version AS child JOIN version_state USING (model, number)
      WHERE child.parent_version = ANY (versions) AND child.id <> ALL (versions) AND NOT version_state.state ? 'tombstone'
  ) AS found LIMIT 1
$$;

-- One writer a model: ids, times of recording and commits have one order. What an entry may say is judged under the lock.
CREATE FUNCTION take_registry_entry() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  state_of_model jsonb;
  state_of_version jsonb;
  stages jsonb;
  wrong text;
  rule text;
BEGIN
  PERFORM FROM model WHERE name = NEW.model FOR NO KEY UPDATE;
  NEW.id := nextval('registry_entry_id');
  NEW.recorded_by := actor_ref(NEW.recorded_by);
  -- An owner may be a person; entries are kept for ever, so they hold what can be erased elsewhere.
  IF NEW.attribute = 'owner' THEN NEW.value := to_jsonb(actor_ref(NEW.value #>> '{}')); END IF;
  NEW.recorded_at := clock_timestamp();
  IF NEW.valid_from = 'infinity' THEN NEW.valid_from := NEW.recorded_at; END IF;
  SELECT state INTO state_of_model FROM model_state WHERE model = NEW.model;
  SELECT state INTO state_of_version FROM version_state WHERE model = NEW.model AND number = NEW.number;
  IF NEW.valid_from > NEW.recorded_at THEN
    rule := 'not_in_future';
    wrong := format('%s has not come yet', NEW.valid_from);
  ELSIF NEW.attribute <> 'tombstone' AND (state_of_model ? 'tombstone' OR state_of_version ? 'tombstone') THEN
    rule := 'not_deleted';
    wrong := 'it is deleted';
  ELSIF NEW.value IS NULL THEN
    NULL;
  ELSIF NEW.attribute = 'tombstone' THEN
    rule := 'not_in_use';
    SELECT registry_use(NEW.model, array_agg(id), array_agg(number)) INTO wrong FROM model_version
      WHERE model = NEW.model AND (NEW.number IS NULL OR number = NEW.number);
    IF wrong IS NULL AND NEW.number IS NULL THEN
      SELECT 'lifecycle ' || id || ' is under way' INTO wrong FROM lifecycle
        WHERE model = NEW.model AND status IN ('running', 'waiting') LIMIT 1;
    END IF;
  ELSIF NEW.attribute = 'alias' THEN
    rule := 'alias_target';
    SELECT CASE WHEN state ? 'tombstone' THEN 'is deleted' END INTO wrong FROM version_state
      WHERE model = NEW.model AND to_jsonb(number) = NEW.value;
    IF NOT FOUND THEN wrong := 'does not exist'; END IF;
    wrong := 'version ' || (NEW.value #>> '{}') || ' ' || wrong;
  ELSIF NEW.attribute = 'stage' THEN
    rule := 'stage_known';
    SELECT value INTO stages FROM registry_truth(NEW.valid_from, 'infinity')
      WHERE model = NEW.model AND number IS NULL AND attribute = 'stages';
    stages := coalesce(stages, '["staging", "production", "archived"]');
    IF NOT stages ? (NEW.value #>> '{}') THEN
      wrong := format('stage %s is not one of the model''s: none, %s', NEW.value #>> '{}',
        (SELECT string_agg(name, ', ') FROM jsonb_array_elements_text(stages) AS name));
    END IF;
  ELSIF NEW.attribute = 'stages' THEN
    rule := 'stages_valid';
    SELECT format('%s is not a stage''s name, or stands there twice', name) INTO wrong
      FROM jsonb_array_elements(NEW.value) AS name
      GROUP BY name HAVING jsonb_typeof(name) <> 'string' OR count(*) > 1 OR name = '"none"'
        OR name #>> '{}' !~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' LIMIT 1;
    IF wrong IS NULL THEN
      rule := 'stages_in_use';
      SELECT format('version %s is in stage %s', number, state ->> 'stage') INTO wrong FROM version_state
        WHERE model = NEW.model AND state ? 'stage' AND NOT state ? 'tombstone' AND NOT NEW.value ? (state ->> 'stage') LIMIT 1;
    END IF;
  END IF;
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION '%', wrong USING ERRCODE = 'check_violation', CONSTRAINT = 'registry_entry_' || rule,
      TABLE = 'registry_entry', DETAIL = NEW.model || coalesce('@' || NEW.number, '');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER a_taken BEFORE INSERT ON registry_entry FOR EACH ROW EXECUTE FUNCTION take_registry_entry();

-- The present follows the history: an entry that a later one of its slot (by `valid_from`) overrules changes nothing now.
CREATE FUNCTION project_registry_entry() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  overruled boolean;
  before jsonb;
BEGIN
  IF NEW.number IS NULL THEN
    overruled := EXISTS (SELECT FROM registry_entry WHERE model = NEW.model AND number IS NULL AND attribute = NEW.attribute
      AND key = NEW.key AND (valid_from, id) > (NEW.valid_from, NEW.id));
  ELSE
    overruled := EXISTS (SELECT FROM registry_entry WHERE model = NEW.model AND number = NEW.number
      AND attribute = NEW.attribute AND key = NEW.key AND (valid_from, id) > (NEW.valid_from, NEW.id));
  END IF;
  IF overruled THEN RETURN NULL; END IF;
  IF NEW.number IS NOT NULL THEN
    UPDATE version_state SET (state, facets, words) = (
        SELECT after, document.*
        FROM registry_put(state, NEW.attribute, NEW.key, NEW.value) AS after,
          present_document(NEW.model, NEW.number, place, after) AS document)
      WHERE model = NEW.model AND number = NEW.number;
    RETURN NULL;
  END IF;
  SELECT state INTO before FROM model_state WHERE model = NEW.model;
  UPDATE model_state SET (state, facets, words) = (
      SELECT after, document.* FROM registry_put(state, NEW.attribute, NEW.key, NEW.value) AS after,
        model_document(NEW.model, after) AS document)
    WHERE model = NEW.model;
  IF NEW.attribute = 'alias' THEN
    UPDATE version_state SET (facets, words) = (
        SELECT document.* FROM present_document(model, number, place, state) AS document)
      WHERE model = NEW.model AND number IN ((before -> 'alias' ->> NEW.key)::integer, (NEW.value #>> '{}')::integer);
  ELSIF NEW.attribute <> 'stages' THEN
    UPDATE version_state SET (facets, words) = (
        SELECT document.* FROM present_document(model, number, place, state) AS document)
      WHERE model = NEW.model;
  END IF;
  IF NEW.attribute = 'purpose' THEN
    UPDATE model SET purpose = coalesce(NEW.value #>> '{}', '') WHERE name = NEW.model;
  ELSIF NEW.attribute = 'team' THEN
    UPDATE model SET team = NEW.value #>> '{}' WHERE name = NEW.model;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER projected AFTER INSERT ON registry_entry FOR EACH ROW EXECUTE FUNCTION project_registry_entry();

-- What is deleted neither serves nor has children nor gets versions. The lock on the model orders these with the tombstone.
CREATE FUNCTION refuse_deleted() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  deleted text;
BEGIN
  -- A version holds the stronger lock already, by its number; taken after a weaker one it would deadlock with its like.
  IF TG_TABLE_NAME <> 'model_version' THEN PERFORM FROM model WHERE name = NEW.model FOR SHARE; END IF;
  SELECT NEW.model INTO deleted FROM model_state WHERE model = NEW.model AND state ? 'tombstone';
  IF deleted IS NULL AND TG_TABLE_NAME = 'model_version' THEN
    SELECT parent.model || '@' || parent.number INTO deleted FROM model_version AS parent JOIN version_state USING (model, number)
      WHERE parent.id = (to_jsonb(NEW) ->> 'parent_version')::uuid AND state ? 'tombstone';
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
CREATE TRIGGER number_taken_not_deleted BEFORE INSERT ON model_version FOR EACH ROW EXECUTE FUNCTION refuse_deleted();
CREATE TRIGGER b_not_deleted BEFORE INSERT ON lifecycle FOR EACH ROW EXECUTE FUNCTION refuse_deleted();
CREATE TRIGGER b_not_deleted BEFORE INSERT ON rollout FOR EACH ROW EXECUTE FUNCTION refuse_deleted();
CREATE TRIGGER b_not_deleted BEFORE INSERT ON routing_epoch FOR EACH ROW EXECUTE FUNCTION refuse_deleted();
CREATE INDEX model_version_by_parent ON model_version (parent_version) WHERE parent_version IS NOT NULL;

-- An application of a release before this one still writes the purpose itself: that goes into the history too.
CREATE FUNCTION record_purpose() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO registry_entry (model, attribute, value, recorded_by, reason)
    VALUES (NEW.name, 'purpose', to_jsonb(NEW.purpose), 'modelwright/migration', 'written by a release without a history');
  RETURN NULL;
END $$;
CREATE TRIGGER b_purpose_recorded AFTER INSERT ON model FOR EACH ROW WHEN (NEW.purpose <> '') EXECUTE FUNCTION record_purpose();
CREATE TRIGGER purpose_recorded AFTER UPDATE OF purpose ON model FOR EACH ROW
  WHEN (pg_trigger_depth() = 0 AND NEW.purpose <> OLD.purpose) EXECUTE FUNCTION record_purpose();

DROP FUNCTION describe_model(text, text);

-- What was there before.
INSERT INTO model_state (model, facets, words) SELECT name, document.* FROM model, model_document(name, '{}') AS document;
INSERT INTO version_state (model, number, place, slice, created_at, facets, words)
  SELECT model, number, place, place / 8192, created_at, document.facets, document.words
  FROM (SELECT *, nextval('version_place') AS place
    FROM (SELECT model, number, created_at FROM model_version ORDER BY created_at, id) AS ordered) AS placed,
    present_document(model, number, place, '{}') AS document;
INSERT INTO registry_entry (model, attribute, value, valid_from, recorded_by, reason)
  SELECT name, 'purpose', to_jsonb(purpose), created_at, 'modelwright/migration', 'said before there was a history'
  FROM model WHERE purpose <> '';
CREATE INDEX version_state_search ON version_state USING gin (facets, words) WITH (fastupdate = off);
SELECT make_audited('registry_entry');

-- Versions with all of `wanted`, and the words when there are any, registered before `before`: newest first, at most `page`.
-- Eight small slices first, where a page of something common fills; then middle ones, of which a large one without a hit is passed
-- over as a whole. Nothing but the index by facets and words may answer: the planner would rather read the whole table for some.
CREATE FUNCTION search_versions(wanted text[], query tsquery, deleted boolean, before bigint, created_from timestamptz,
  created_until timestamptz, page integer) RETURNS TABLE (place bigint, model text, number integer) LANGUAGE plpgsql STABLE
  SET enable_seqscan = off SET max_parallel_workers_per_gather = 0 AS $$
#variable_conflict use_column
DECLARE
  upper bigint := least(before, (SELECT last_value + 1 FROM version_place));
  width integer := 1024;
  passed integer := 0;
  missing integer := page;
  found_now integer;
  in_slice text;
  in_slice_too tsquery;
  earliest timestamptz := coalesce(created_from, '-infinity');
  latest timestamptz := coalesce(created_until, 'infinity');
  whole_time boolean := created_from IS NULL AND created_until IS NULL;
BEGIN
  WHILE upper > 0 AND missing > 0 LOOP
    IF width > 1024 AND upper % 65536 = 0 THEN
      in_slice := slice_facet(65536, upper - 1, deleted);
      in_slice_too := quote_literal(in_slice)::tsquery;
      IF query IS NULL THEN
        found_now := (SELECT 1 FROM version_state
          WHERE facets @> (in_slice || wanted) LIMIT 1);
      ELSE
        found_now := (SELECT 1 FROM version_state
          WHERE facets @> (in_slice || wanted) AND words @@ (query && in_slice_too) LIMIT 1);
      END IF;
      IF found_now IS NULL THEN
        upper := upper - 65536;
        CONTINUE;
      END IF;
    END IF;
    IF whole_time OR EXISTS (SELECT FROM version_state
        WHERE version_state.slice = (upper - 1) / 8192 AND created_at >= earliest AND created_at < latest) THEN
      in_slice := slice_facet(width, upper - 1, deleted);
      in_slice_too := quote_literal(in_slice)::tsquery;
      IF query IS NULL THEN
        RETURN QUERY SELECT place, model::text, number FROM version_state
          WHERE facets @> (in_slice || wanted) AND place < upper
            AND (whole_time OR created_at >= earliest AND created_at < latest) ORDER BY place DESC LIMIT missing;
      ELSE
        RETURN QUERY SELECT place, model::text, number FROM version_state
          WHERE facets @> (in_slice || wanted) AND words @@ (query && in_slice_too) AND place < upper
            AND (whole_time OR created_at >= earliest AND created_at < latest) ORDER BY place DESC LIMIT missing;
      END IF;
      GET DIAGNOSTICS found_now = ROW_COUNT;
      missing := missing - found_now;
    END IF;
    upper := (upper - 1) / width * width;
    passed := passed + 1;
    IF passed = 8 THEN width := 8192; END IF;
  END LOOP;
END $$;

-- The truth of a past moment, a state for each model and version anything was said about.
CREATE FUNCTION registry_states(as_of timestamptz, known_at timestamptz)
  RETURNS TABLE (model entity_name, number integer, state jsonb) LANGUAGE sql STABLE AS $$
  SELECT model, number, registry_state(attribute, key, value) FROM registry_truth(as_of, known_at) GROUP BY model, number
$$;

SELECT make_seen_by_team(seen, 'model IN (SELECT name FROM model)')
  FROM unnest(ARRAY['registry_entry', 'model_state', 'version_state']::regclass[]) AS seen;
-- Members see who said what about their models, and who owns them.
ALTER POLICY own_team ON person_name USING (ref IN (SELECT started_by FROM lifecycle UNION ALL SELECT created_by FROM model_version
  UNION ALL SELECT decided_by FROM approval UNION ALL SELECT started_by FROM rollout
  UNION ALL SELECT created_by FROM routing_epoch UNION ALL SELECT recorded_by FROM registry_entry
  UNION ALL SELECT value #>> '{}' FROM registry_entry WHERE attribute = 'owner'));
ALTER POLICY own_team ON person_text USING (ref IN (SELECT reason FROM approval UNION ALL SELECT reason FROM registry_entry));
GRANT SELECT ON SEQUENCE version_place TO modelwright_auditor, modelwright_member;
GRANT EXECUTE ON FUNCTION registry_truth(timestamptz, timestamptz), registry_put(jsonb, text, text, jsonb),
  registry_state(text, text, jsonb), registry_facet(text, text), registry_facets(jsonb), registry_text(jsonb),
  model_document(text, jsonb), version_document(model_version, bigint, jsonb, jsonb, tsvector),
  slice_facet(integer, bigint, boolean), slice_facets(bigint, boolean),
  search_versions(text[], tsquery, boolean, bigint, timestamptz, timestamptz, integer), registry_states(timestamptz, timestamptz)
  TO modelwright_application, modelwright_auditor, modelwright_member;
