-- Phases of a rollout beside its ramp, and what gateways tell of the versions they serve meanwhile.

-- Basis points of the champion's requests that the canary answers too, for nobody. Only before it has a share of its own.
ALTER TABLE routing_epoch ADD COLUMN shadow_share integer NOT NULL DEFAULT 0
  CONSTRAINT routing_epoch_shadow CHECK (shadow_share = 0 OR shadow_share BETWEEN 1 AND 10000
    AND canary_share = 0 AND canary_version IS NOT NULL AND champion_version IS NOT NULL);

-- Observed by one gateway. Not of the gateway's own rows: what it mirrored stays counted when it leaves.
CREATE TABLE gateway_report (
  gateway text NOT NULL CHECK (length(gateway) BETWEEN 1 AND 200),
  endpoint entity_name NOT NULL,
  epoch integer NOT NULL,
  version uuid NOT NULL REFERENCES model_version,
  -- In the ten minutes before it was reported.
  exits integer NOT NULL CHECK (exits >= 0),
  -- Null while it is ready.
  unready_since timestamptz,
  schema_mismatches integer NOT NULL CHECK (schema_mismatches >= 0),
  -- `ShadowCounts`; null outside a shadow phase.
  shadow jsonb,
  reported_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (gateway, endpoint, epoch, version),
  FOREIGN KEY (endpoint, epoch) REFERENCES routing_epoch (endpoint, epoch)
);
CREATE INDEX gateway_report_by_endpoint ON gateway_report (endpoint, epoch);
GRANT SELECT ON gateway_report TO modelwright_application;
SELECT make_seen_by_team('gateway_report', 'endpoint IN (SELECT name FROM endpoint)');

-- The newest word of a gateway. Trouble is told at once: endpoint, epoch, kind and gateway, which is enough to look early and decides nothing.
CREATE FUNCTION report_version(gateway_id text, endpoint_name text, of_epoch integer, of_version uuid, new_exits integer,
  unready_ms double precision, mismatches integer, new_shadow jsonb) RETURNS void LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  since timestamptz := CASE WHEN unready_ms > 0 THEN clock_timestamp() - unready_ms * interval '1 millisecond' END;
BEGIN
  INSERT INTO gateway_report (gateway, endpoint, epoch, version, exits, unready_since, schema_mismatches, shadow, reported_at)
    VALUES (gateway_id, endpoint_name, of_epoch, of_version, new_exits, since, mismatches, new_shadow, clock_timestamp())
    ON CONFLICT (gateway, endpoint, epoch, version) DO UPDATE SET exits = excluded.exits,
      unready_since = excluded.unready_since, schema_mismatches = excluded.schema_mismatches,
      shadow = coalesce(excluded.shadow, gateway_report.shadow), reported_at = excluded.reported_at;
  IF new_exits > 0 OR unready_ms > 0 OR mismatches > 0 THEN
    PERFORM pg_notify('modelwright_trouble', format('%s/%s/%s-%s-%s/%s', endpoint_name, of_epoch, new_exits,
      (unready_ms >= 30000)::int, mismatches, gateway_id));
  END IF;
END $$;
REVOKE EXECUTE ON FUNCTION report_version(text, text, integer, uuid, integer, double precision, integer, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION report_version(text, text, integer, uuid, integer, double precision, integer, jsonb)
  TO modelwright_application;

-- A rollout of the same bytes against the same champion by the same plan goes on with the evidence of the first one: a retry is no fresh luck.
ALTER TABLE rollout ADD COLUMN continues text REFERENCES rollout CHECK (continues <> id);
CREATE INDEX rollout_by_continued ON rollout (continues) WHERE continues IS NOT NULL;

-- Rollouts that wait for an endpoint another one has, as long as somebody still asks for them. Observed state, not evidence.
CREATE TABLE rollout_turn (
  rollout text PRIMARY KEY CHECK (length(rollout) BETWEEN 1 AND 200),
  endpoint entity_name NOT NULL,
  -- In the order they came.
  number bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  asked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX rollout_turn_by_endpoint ON rollout_turn (endpoint, number);
GRANT SELECT ON rollout_turn TO modelwright_application;
SELECT make_seen_by_team('rollout_turn', 'endpoint IN (SELECT name FROM endpoint)');

-- Says that a rollout waits, or still waits; forgets those nobody has asked for within half an hour.
CREATE FUNCTION take_turn(rollout_id text, endpoint_name text) RETURNS SETOF rollout_turn LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  DELETE FROM rollout_turn WHERE endpoint = endpoint_name AND asked_at < clock_timestamp() - interval '30 minutes';
  RETURN QUERY INSERT INTO rollout_turn (rollout, endpoint) VALUES (rollout_id, endpoint_name)
    ON CONFLICT (rollout) DO UPDATE SET asked_at = clock_timestamp() RETURNING *;
END $$;
CREATE FUNCTION end_turn(rollout_id text) RETURNS void LANGUAGE sql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  DELETE FROM rollout_turn WHERE rollout = rollout_id
$$;
REVOKE EXECUTE ON FUNCTION take_turn(text, text), end_turn(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_turn(text, text), end_turn(text) TO modelwright_application;
