-- Drops the days (UTC) of the log before one, with the keys that were counted in them, and tells which and how many rows. The owner's
-- alone. Labels and counts stay: they say nothing of anybody.
CREATE FUNCTION drop_prediction_days(before date, OUT days date[], OUT row_count bigint) LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  needed text;
  partition record;
  held bigint;
BEGIN
  SELECT id INTO needed FROM rollout WHERE status = 'running' AND started_at < before::timestamp AT TIME ZONE 'UTC' LIMIT 1;
  IF needed IS NOT NULL THEN
    RAISE EXCEPTION 'rollout % runs since before % and is judged by that log', needed, before
      USING ERRCODE = 'check_violation', CONSTRAINT = 'prediction_days_in_use';
  END IF;
  days := '{}';
  DELETE FROM prediction_other_days WHERE at < before::timestamp AT TIME ZONE 'UTC';
  GET DIAGNOSTICS row_count = ROW_COUNT;
  FOR partition IN
    SELECT child.relname AS name, to_date(right(child.relname, 8), 'YYYYMMDD') AS day
    FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
    WHERE inhparent = 'prediction'::regclass AND child.relname ~ '^prediction_[0-9]{8}$' ORDER BY 1
  LOOP
    CONTINUE WHEN partition.day >= before;
    EXECUTE format('SELECT count(*) FROM %I', partition.name) INTO held;
    EXECUTE format('DROP TABLE %I', partition.name);
    row_count := row_count + held;
    days := days || partition.day;
  END LOOP;
  DELETE FROM decision_unit WHERE at < before::timestamp AT TIME ZONE 'UTC';
END $$;
