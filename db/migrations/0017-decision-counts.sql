-- Gateways count for themselves, so that a look adds a few rows up and the log may be sampled. What an older release logs without
-- counting it (`request_row` is null) is counted from its rows as before.

ALTER TABLE prediction ADD COLUMN request_row integer CHECK (request_row >= 0);
CREATE INDEX prediction_uncounted ON prediction (endpoint, epoch, at) WHERE request_row IS NULL;

-- No foreign keys, as in the log itself: what was answered is counted, whatever became of its endpoint.
CREATE TABLE decision_count (
  spool uuid NOT NULL,
  endpoint entity_name NOT NULL,
  epoch integer NOT NULL,
  arm text NOT NULL CHECK (arm IN ('champion', 'canary')),
  assigned boolean NOT NULL,
  -- Whether looks count the routing keys of these requests, in decision_unit, and not the requests.
  by_unit boolean NOT NULL,
  model_version uuid NOT NULL,
  minute timestamptz NOT NULL,
  requests bigint NOT NULL CHECK (requests > 0),
  errors bigint NOT NULL CHECK (errors BETWEEN 0 AND requests),
  sheds bigint NOT NULL CHECK (sheds BETWEEN 0 AND errors),
  slow bigint NOT NULL CHECK (slow BETWEEN 0 AND requests),
  latencies bigint[] NOT NULL,
  ranges bigint[] NOT NULL,
  PRIMARY KEY (endpoint, epoch, minute, arm, assigned, by_unit, model_version, spool)
);
CREATE INDEX decision_count_by_minute ON decision_count (endpoint, minute);

CREATE TABLE decision_unit (
  endpoint entity_name NOT NULL,
  epoch integer NOT NULL,
  unit text NOT NULL,
  arm text NOT NULL CHECK (arm IN ('champion', 'canary')),
  at timestamptz NOT NULL,
  inference_id text NOT NULL CHECK (length(inference_id) BETWEEN 1 AND 200),
  outcome text NOT NULL CHECK (outcome IN ('ok', 'error')),
  slow boolean NOT NULL,
  range smallint CHECK (range >= 0),
  decision smallint CHECK (decision IN (0, 1)),
  PRIMARY KEY (endpoint, epoch, unit)
);

-- A spool is one run of a gateway; its journal is taken in order, each byte once.
CREATE TABLE gateway_log (
  spool uuid PRIMARY KEY,
  gateway text NOT NULL CHECK (length(gateway) BETWEEN 1 AND 200),
  shipped_to bigint NOT NULL DEFAULT 0 CHECK (shipped_to >= 0),
  -- Rows of the prediction log.
  accepted bigint NOT NULL DEFAULT 0,
  written bigint NOT NULL DEFAULT 0 CHECK (written >= 0),
  spilled bigint NOT NULL DEFAULT 0 CHECK (spilled >= 0),
  dropped bigint NOT NULL DEFAULT 0 CHECK (dropped >= 0),
  at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT gateway_log_balances CHECK (accepted = written + spilled + dropped)
);
GRANT SELECT ON decision_count, decision_unit, gateway_log TO modelwright_application;
SELECT make_seen_by_team('decision_count', 'endpoint IN (SELECT name FROM endpoint)'),
  make_seen_by_team('decision_unit', 'endpoint IN (SELECT name FROM endpoint)');
GRANT SELECT ON gateway_log TO modelwright_auditor;

CREATE FUNCTION add_elements(one bigint[], other bigint[]) RETURNS bigint[] LANGUAGE sql IMMUTABLE
  SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT coalesce(array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY place), '{}')
  FROM unnest(one, other) WITH ORDINALITY AS pairs (a, b, place)
$$;

-- Takes the bytes from..to of a spool: a stretch that begins before what was taken changes nothing. One that begins later is taken
-- too: what a restored database has lost nobody has any more. `accepted_rows`: how many the gateway ever accepted; a successor cannot know.
CREATE FUNCTION ship_gateway_log(of_spool uuid, of_gateway text, from_byte bigint, to_byte bigint, counts jsonb, units jsonb,
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
  UPDATE gateway_log AS log SET gateway = of_gateway, shipped_to = to_byte, at = clock_timestamp(), written = now.written,
      dropped = now.dropped, spilled = now.spilled, accepted = now.written + now.dropped + now.spilled
    FROM (SELECT known.written + cardinality(inference_ids) AS written, known.dropped + dropped_rows AS dropped,
        greatest(coalesce(accepted_rows - known.written - known.dropped, known.spilled) - cardinality(inference_ids) - dropped_rows, 0)
          AS spilled
      FROM gateway_log AS known WHERE known.spool = of_spool) AS now
    WHERE log.spool = of_spool;
  RETURN to_byte;
END $$;
GRANT EXECUTE ON FUNCTION ship_gateway_log(uuid, text, bigint, bigint, jsonb, jsonb, bigint, bigint, text[], integer[], text[],
  integer[], text[], boolean[], uuid[], text[], timestamptz[], double precision[], text[], double precision[], smallint[], jsonb[])
  TO modelwright_application;
