-- A journal is on record under the gateway that answered, whoever brings it: before, the last who shipped a dead gateway's journal took its
-- place. `of_gateway`, the same function as in 0017 but for that, names the gateway when its journal is first heard of.
-- Takes the bytes from..to of a spool: a stretch that begins before what was taken changes nothing. One that begins later is taken
-- too: what a restored database has lost nobody has any more. `accepted_rows`: how many the gateway ever accepted; a successor cannot know.
CREATE OR REPLACE FUNCTION ship_gateway_log(of_spool uuid, of_gateway text, from_byte bigint, to_byte bigint, counts jsonb, units jsonb,
  dropped_rows bigint, accepted_rows bigint, inference_ids text[], request_rows integer[], endpoints text[],
  epochs integer[], arms text[], were_assigned boolean[], model_versions uuid[], routing_key_hashes text[], ats timestamptz[],
  latencies_ms double precision[], outcomes text[], scores double precision[], decisions smallint[], row_fields jsonb[])
  RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  place bigint;
BEGIN
  INSERT INTO gateway_log (spool, gateway) VALUES (of_spool, of_gateway) ON CONFLICT DO NOTHING;
  SELECT shipped_to INTO place FROM gateway_log WHERE spool = of_spool FOR UPDATE;
  IF from_byte < place THEN
    RETURN place;
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
  INSERT INTO prediction (inference_id, request_row, endpoint, epoch, arm, assigned, model_version, routing_key_hash, at, latency_ms,
      outcome, score, decision, features)
    SELECT * FROM unnest(inference_ids, request_rows, endpoints, epochs, arms, were_assigned, model_versions, routing_key_hashes, ats,
      latencies_ms, outcomes, scores, decisions, row_fields)
    ON CONFLICT DO NOTHING;
  UPDATE gateway_log AS log SET shipped_to = to_byte, at = clock_timestamp(), written = now.written,
      dropped = now.dropped, spilled = now.spilled, accepted = now.written + now.dropped + now.spilled
    FROM (SELECT known.written + cardinality(inference_ids) AS written, known.dropped + dropped_rows AS dropped,
        greatest(coalesce(accepted_rows - known.written - known.dropped, known.spilled) - cardinality(inference_ids) - dropped_rows, 0)
          AS spilled
      FROM gateway_log AS known WHERE known.spool = of_spool) AS now
    WHERE log.spool = of_spool;
  RETURN to_byte;
END $$;
