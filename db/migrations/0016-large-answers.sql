-- Answers that are large, or that take looking through much: what came of a thing, and words that stand together nowhere.

-- What came of a thing is walked and told from indexes alone: of a large answer each row lies on a page of its own, and reading
-- those pages took longer than the walk. Who uses the table waits meanwhile, some seconds at five million edges.
DROP INDEX used_by_maker;
CREATE INDEX used_by_maker ON used (made_by, execution) INCLUDE (node, role) WHERE made_by IS NOT NULL;
DROP INDEX used_by_node;
CREATE INDEX used_by_node ON used (node, execution) INCLUDE (role, made_by);
CREATE INDEX execution_told ON execution (id) INCLUDE (kind, lifecycle, round, sealed_at);

-- As before, but each thing is looked up by itself: as a join Postgres, which takes a list in JSON for a hundred things, read all
-- nodes for every execution while there are few, and its plan stayed when there were many. Everybody else who records waits as long.
CREATE OR REPLACE FUNCTION seal_execution(sealed execution, inputs jsonb, outputs jsonb) RETURNS bigint LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  SELECT coalesce(max(id), 0) + 1 INTO sealed.id FROM execution;
  INSERT INTO lineage_node (ref)
    SELECT DISTINCT edge.ref FROM jsonb_to_recordset(inputs || outputs) AS edge (ref text)
    WHERE (SELECT id FROM lineage_node WHERE lineage_node.ref = edge.ref) IS NULL ORDER BY 1;
  INSERT INTO used (execution, node, role, made_by)
    SELECT sealed.id, node, role, maker_of(node, sealed.lifecycle)
    FROM (SELECT DISTINCT (SELECT id FROM lineage_node WHERE lineage_node.ref = edge.ref) AS node, edge.role
      FROM jsonb_to_recordset(inputs) AS edge (ref text, role text)) AS found;
  GET DIAGNOSTICS sealed.used_count = ROW_COUNT;
  INSERT INTO generated (execution, node, role)
    SELECT DISTINCT sealed.id, (SELECT id FROM lineage_node WHERE lineage_node.ref = edge.ref), edge.role
    FROM jsonb_to_recordset(outputs) AS edge (ref text, role text);
  GET DIAGNOSTICS sealed.generated_count = ROW_COUNT;
  sealed.upstream := upstream_of_execution(sealed.id);
  INSERT INTO execution SELECT sealed.*;
  RETURN sealed.id;
END $$;

-- Versions with all of `wanted`, and the words when there are any, registered before `before`: newest first, at most `page`.
-- Slice by slice of the order of registration, small ones first, where a page of something common fills, and larger ones as long as
-- they hold little. What is asked for together and stands together nowhere in a slice is perhaps rare: then all the rest is asked at once,
-- which for two common words that are never together costs a third of going through the slices. One thing alone goes on by slices: the index
-- steps over those without it. Nothing but the index by facets and words may answer: the planner would rather read the whole
-- table for some.
CREATE OR REPLACE FUNCTION search_versions(wanted text[], query tsquery, deleted boolean, before bigint, created_from timestamptz,
  created_until timestamptz, page integer) RETURNS TABLE (place bigint, model text, number integer) LANGUAGE plpgsql STABLE
  SET enable_seqscan = off SET max_parallel_workers_per_gather = 0 AS $$
#variable_conflict use_column
DECLARE
  -- More hits than the smallest slice can have; a larger one that has more is looked at in smaller ones.
  many CONSTANT integer := 1025;
  upper bigint := least(before, (SELECT last_value + 1 FROM version_place));
  width integer := 1024;
  missing integer := page;
  -- Of the hits in a slice; whole rows would cost ten times as much.
  places bigint[];
  models text[];
  numbers integer[];
  too_many boolean;
  in_slice text;
  earliest timestamptz := coalesce(created_from, '-infinity');
  latest timestamptz := coalesce(created_until, 'infinity');
  whole_time boolean := created_from IS NULL AND created_until IS NULL;
  -- A moment is filtered by after the index, so that no slice may be too large for that.
  widest integer := CASE WHEN whole_time THEN 65536 ELSE 8192 END;
  -- A search for what is without a word has nothing in the words to go by but the slice.
  by_slice boolean := coalesce(querytree(query) IN ('', 'T'), false);
  rest_unasked boolean := whole_time AND NOT by_slice AND cardinality(wanted) + coalesce(numnode(query), 0) > 1;
BEGIN
  WHILE upper > 0 AND missing > 0 LOOP
    places := NULL;
    IF whole_time OR EXISTS (SELECT FROM version_state
        WHERE version_state.slice = (upper - 1) / 8192 AND created_at >= earliest AND created_at < latest) THEN
      in_slice := slice_facet(width, upper - 1, deleted);
      IF query IS NULL THEN
        SELECT array_agg(place), array_agg(model), array_agg(number) INTO places, models, numbers
          FROM (SELECT place, model, number FROM version_state WHERE facets @> (in_slice || wanted)
            AND place < upper AND created_at >= earliest AND created_at < latest LIMIT many) AS hit;
      ELSE
        SELECT array_agg(place), array_agg(model), array_agg(number) INTO places, models, numbers
          FROM (SELECT place, model, number FROM version_state WHERE facets @> (in_slice || wanted)
            AND words @@ CASE WHEN by_slice THEN query && quote_literal(in_slice)::tsquery ELSE query END
            AND place < upper AND created_at >= earliest AND created_at < latest LIMIT many) AS hit;
      END IF;
      IF cardinality(places) = many AND width > 1024 THEN
        width := width / 8;
        CONTINUE;
      END IF;
      RETURN QUERY SELECT * FROM unnest(places, models, numbers) AS hit (place, model, number)
        ORDER BY hit.place DESC LIMIT missing;
      missing := missing - coalesce(cardinality(places), 0);
    END IF;
    upper := (upper - 1) / width * width;
    IF places IS NULL AND width > 1024 AND rest_unasked THEN
      rest_unasked := false;
      EXECUTE format('SELECT count(*) = $5, array_agg(place) FILTER (WHERE fits), array_agg(model) FILTER (WHERE fits),
          array_agg(number) FILTER (WHERE fits)
        FROM (SELECT place, model, number, place < $3 AND facets @> ARRAY[slice_facet(65536, place, $4)] AS fits
          FROM version_state WHERE %s LIMIT $5) AS hit',
        concat_ws(' AND ', CASE WHEN wanted <> '{}' THEN 'facets @> $1' END, CASE WHEN query IS NOT NULL THEN 'words @@ $2' END))
        INTO too_many, places, models, numbers USING wanted, query, upper, deleted, many;
      IF NOT too_many THEN
        RETURN QUERY SELECT * FROM unnest(places, models, numbers) AS hit (place, model, number)
          ORDER BY hit.place DESC LIMIT missing;
        RETURN;
      END IF;
    END IF;
    IF width < widest AND upper % (8 * width) = 0 THEN width := 8 * width; END IF;
  END LOOP;
END $$;
