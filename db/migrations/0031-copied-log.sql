-- Rows of a gateway's journal come with COPY. Postgres copies nothing into a table with row security, as the log is one: each row goes
-- straight to its day. The application, which writes nothing itself, becomes `modelwright_log` for that.
CREATE OR REPLACE FUNCTION ensure_prediction_partitions(ahead_days integer) RETURNS integer LANGUAGE plpgsql
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
      EXECUTE format('GRANT INSERT ON public.%I TO modelwright_log', partition);
      made := made + 1;
    EXCEPTION WHEN check_violation THEN
      NULL;
    END;
  END LOOP;
  RETURN made;
END $$;

DO $$
DECLARE
  day regclass;
BEGIN
  FOR day IN
    SELECT inhrelid FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
    WHERE inhparent = 'prediction'::regclass AND child.relname ~ '^prediction_[0-9]{8}$'
  LOOP
    EXECUTE format('GRANT INSERT ON %s TO modelwright_log', day);
  END LOOP;
END $$;

-- Takes the bytes from..to of a spool, but for its rows, which whoever calls it adds in the same transaction where the stretch is `taken`.
-- One that begins before what was taken changes nothing. One that begins later is taken too: what a restored database has lost nobody has
-- any more. `accepted_rows`: how many the gateway ever accepted; a successor cannot know. `place`: up to which the spool is here now.
CREATE FUNCTION take_gateway_stretch(of_spool uuid, of_gateway text, from_byte bigint, to_byte bigint, counts jsonb, units jsonb,
  dropped_rows bigint, accepted_rows bigint, added_rows bigint, OUT place bigint, OUT taken boolean)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO gateway_log (spool, gateway) VALUES (of_spool, of_gateway) ON CONFLICT DO NOTHING;
  SELECT shipped_to INTO place FROM gateway_log WHERE spool = of_spool FOR UPDATE;
  taken := from_byte >= place;
  IF NOT taken THEN
    RETURN;
  END IF;
  INSERT INTO decision_count AS known (spool, endpoint, epoch, arm, assigned, by_unit, model_version, minute, requests, errors, sheds,
      slow, latencies, ranges)
    SELECT of_spool, given.endpoint, given.epoch, given.arm, given.assigned, given.by_unit, given.model_version, given.minute,
      given.requests, given.errors, given.sheds, given.slow, given.latencies, given.ranges
    FROM jsonb_populate_recordset(NULL::decision_count, counts) AS given
    ON CONFLICT (endpoint, epoch, minute, arm, assigned, by_unit, model_version, spool) DO UPDATE SET
      requests = known.requests + excluded.requests, errors = known.errors + excluded.errors,
      sheds = known.sheds + excluded.sheds, slow = known.slow + excluded.slow,
      latencies = add_elements(known.latencies, excluded.latencies), ranges = add_elements(known.ranges, excluded.ranges);
  -- The key's first request, whichever gateway saw it and whenever it tells. In one order, or two gateways may wait for each other.
  INSERT INTO decision_unit AS known
    SELECT DISTINCT ON (given.endpoint, given.epoch, given.unit) given.*
    FROM jsonb_populate_recordset(NULL::decision_unit, units) AS given
    ORDER BY given.endpoint, given.epoch, given.unit, given.at, given.inference_id
    ON CONFLICT (endpoint, epoch, unit) DO UPDATE SET arm = excluded.arm, at = excluded.at, inference_id = excluded.inference_id,
      outcome = excluded.outcome, slow = excluded.slow, range = excluded.range, decision = excluded.decision
      WHERE (excluded.at, excluded.inference_id) < (known.at, known.inference_id);
  UPDATE gateway_log AS log SET shipped_to = to_byte, at = clock_timestamp(), written = now.written,
      dropped = now.dropped, spilled = now.spilled, accepted = now.written + now.dropped + now.spilled
    FROM (SELECT known.written + added_rows AS written, known.dropped + dropped_rows AS dropped,
        greatest(coalesce(accepted_rows - known.written - known.dropped, known.spilled) - added_rows - dropped_rows, 0) AS spilled
      FROM gateway_log AS known WHERE known.spool = of_spool) AS now
    WHERE log.spool = of_spool;
  place := to_byte;
END $$;
REVOKE EXECUTE ON FUNCTION take_gateway_stretch FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_gateway_stretch TO modelwright_application;

-- A stretch with its rows, for gateways of an older release, and where COPY cannot: a row that is there already stays as it is.
CREATE OR REPLACE FUNCTION ship_gateway_log(of_spool uuid, of_gateway text, from_byte bigint, to_byte bigint, counts jsonb, units jsonb,
  dropped_rows bigint, accepted_rows bigint, inference_ids text[], request_rows integer[], endpoints text[],
  epochs integer[], arms text[], were_assigned boolean[], model_versions uuid[], routing_key_hashes text[], ats timestamptz[],
  latencies_ms double precision[], outcomes text[], scores double precision[], decisions smallint[], row_fields jsonb[])
  RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  stretch record;
BEGIN
  SELECT * INTO stretch FROM take_gateway_stretch(of_spool, of_gateway, from_byte, to_byte, counts, units, dropped_rows, accepted_rows,
    cardinality(inference_ids));
  IF stretch.taken THEN
    INSERT INTO prediction (inference_id, request_row, endpoint, epoch, arm, assigned, model_version, routing_key_hash, at, latency_ms,
        outcome, score, decision, features)
      SELECT * FROM unnest(inference_ids, request_rows, endpoints, epochs, arms, were_assigned, model_versions, routing_key_hashes, ats,
        latencies_ms, outcomes, scores, decisions, row_fields)
      ON CONFLICT DO NOTHING;
  END IF;
  RETURN stretch.place;
END $$;
