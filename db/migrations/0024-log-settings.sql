-- What gateways keep of requests, said by people beside what specs say, and how long the log is kept.

-- Only added to; the newest row of an endpoint holds, and the newest without an endpoint is about the whole log, whose days are dropped
-- over all endpoints at once.
CREATE TABLE log_settings (
  id uuid PRIMARY KEY,
  number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  -- Null: the whole log.
  endpoint entity_name REFERENCES endpoint,
  -- Of the endpoint; null takes the row before it back, and what a spec says holds again.
  settings jsonb,
  -- Of the whole log; null: until somebody drops it.
  retention_days integer CHECK (retention_days BETWEEN 1 AND 36500),
  set_by actor NOT NULL,
  reason text NOT NULL,
  set_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT log_settings_of_one_thing CHECK (CASE WHEN endpoint IS NULL THEN settings ELSE to_jsonb(retention_days) END IS NULL)
);
CREATE INDEX log_settings_by_endpoint ON log_settings (endpoint, number);
SELECT make_append_only('log_settings');
SELECT make_rows_start('log_settings', '{}', 'set_at');
SELECT make_pseudonymous('log_settings', 'set_by');
SELECT make_recorded('log_settings');
SELECT make_audited('log_settings');
SELECT make_seen_by_team('log_settings', 'endpoint IS NULL OR endpoint IN (SELECT name FROM endpoint)');

-- Drops what is older than the retention that is set, and nothing without one: today and so many days (UTC) before it stay. What a
-- running rollout is judged by stays until it ends. `before` is the first day that stayed.
CREATE FUNCTION drop_expired_prediction_days(OUT retention uuid, OUT before date, OUT days date[], OUT row_count bigint)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  kept integer;
BEGIN
  SELECT id, retention_days INTO retention, kept FROM log_settings WHERE endpoint IS NULL ORDER BY number DESC LIMIT 1;
  days := '{}';
  row_count := 0;
  IF kept IS NULL THEN
    retention := NULL;
    RETURN;
  END IF;
  SELECT least((clock_timestamp() AT TIME ZONE 'UTC')::date - kept, min(started_at AT TIME ZONE 'UTC')::date) INTO before
    FROM rollout WHERE status = 'running';
  SELECT dropped.days, dropped.row_count INTO days, row_count FROM drop_prediction_days(before) AS dropped;
END $$;
REVOKE EXECUTE ON FUNCTION drop_expired_prediction_days() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_expired_prediction_days() TO modelwright_application;
