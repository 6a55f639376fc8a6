-- No governed write without an audit event in the same transaction, by the database and not by discipline.

-- Which transaction wrote the stream's newest event. An id of a whole transaction, savepoints included, and one that does not wrap.
ALTER TABLE audit_head ADD COLUMN written_in xid8;

CREATE OR REPLACE FUNCTION extend_audit_chain() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash, written_in = pg_current_xact_id()
    WHERE stream = NEW.stream AND seq = NEW.seq - 1 AND hash = NEW.previous_hash;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'audit stream %: event % does not follow the head', NEW.stream, NEW.seq
      USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_event_follows_head';
  END IF;
  RETURN NULL;
END $$;

-- Looks at the heads, one row a stream, and not at the events. The application cannot write a head but by an event.
CREATE FUNCTION require_audit_event() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM audit_head WHERE written_in = pg_current_xact_id()) THEN
    RAISE EXCEPTION '%: % without an audit event in the same transaction is refused', TG_TABLE_NAME, TG_OP
      USING ERRCODE = 'check_violation', CONSTRAINT = 'written_with_audit_event';
  END IF;
  RETURN NULL;
END $$;

-- Deferred, because the event is recorded last. An UPDATE that changes nothing tells nothing.
CREATE FUNCTION make_audited(audited_table regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE CONSTRAINT TRIGGER written_with_audit_event AFTER INSERT OR DELETE ON %s
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_audit_event()', audited_table);
  EXECUTE format('CREATE CONSTRAINT TRIGGER written_with_audit_event_too AFTER UPDATE ON %s
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION require_audit_event()', audited_table);
  -- TRUNCATE fires no trigger of a row.
  EXECUTE format('CREATE TRIGGER never_emptied BEFORE TRUNCATE ON %s
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', audited_table);
END $$;
REVOKE EXECUTE ON FUNCTION make_audited(regclass) FROM PUBLIC;

SELECT make_audited(governed) FROM unnest(ARRAY['approval', 'dataset_snapshot', 'drift_check', 'evaluation', 'lifecycle',
  'model_version', 'monitor', 'retrain_decision', 'rollout', 'routing_epoch']::regclass[]) AS governed;
