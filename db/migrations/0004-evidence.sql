-- Evidence: lineage edges, the audit chain, the operation ledger.

CREATE TABLE lineage_edge (
  -- What was used ...
  from_ref text NOT NULL CHECK (length(from_ref) BETWEEN 3 AND 2000),
  -- ... for what came of it.
  to_ref text NOT NULL CHECK (length(to_ref) BETWEEN 3 AND 2000),
  role text NOT NULL CHECK (length(role) BETWEEN 1 AND 100),
  lifecycle text REFERENCES lifecycle,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (from_ref, to_ref, role),
  CHECK (from_ref <> to_ref)
);
CREATE INDEX lineage_edge_upstream ON lineage_edge (to_ref, from_ref);
SELECT make_append_only('lineage_edge');
SELECT make_rows_start('lineage_edge', '{}', 'at');

-- One row a stream that is born with its first event and always locked before an event: a lock on the newest event would not
-- order the first two writers, because nobody can lock a row that is not there yet.
CREATE TABLE audit_head (
  stream text PRIMARY KEY CHECK (length(stream) BETWEEN 1 AND 200),
  seq bigint NOT NULL,
  hash bytea NOT NULL
);
GRANT SELECT ON audit_head TO modelwright_application;

CREATE TABLE audit_event (
  stream text NOT NULL REFERENCES audit_head,
  seq bigint NOT NULL CHECK (seq >= 1),
  at timestamptz NOT NULL,
  actor actor NOT NULL,
  kind text NOT NULL,
  subject text NOT NULL,
  -- RFC 8785 canonical JSON of the whole event. The columns beside it are for searching; the hash is over these bytes.
  body bytea NOT NULL,
  previous_hash bytea NOT NULL CHECK (length(previous_hash) = 32),
  hash bytea NOT NULL CHECK (hash = sha256(previous_hash || body)),
  PRIMARY KEY (stream, seq)
);
CREATE INDEX audit_event_by_subject ON audit_event (subject, seq);
SELECT make_append_only('audit_event');

-- Locks the head until the transaction ends and tells what the next event follows. Time is read under the lock, so that it
-- rises with the sequence, and as text, so that what is hashed is what is stored.
CREATE FUNCTION lock_audit_head(wanted_stream text, OUT seq bigint, OUT hash bytea, OUT at text) LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO audit_head (stream, seq, hash) VALUES (wanted_stream, 0, decode(repeat('00', 32), 'hex'))
    ON CONFLICT DO NOTHING;
  SELECT head.seq, head.hash INTO lock_audit_head.seq, lock_audit_head.hash
    FROM audit_head AS head WHERE head.stream = wanted_stream FOR UPDATE;
  at := to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
END $$;
REVOKE EXECUTE ON FUNCTION lock_audit_head(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lock_audit_head(text) TO modelwright_application;

CREATE FUNCTION extend_audit_chain() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash
    WHERE stream = NEW.stream AND seq = NEW.seq - 1 AND hash = NEW.previous_hash;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'audit stream %: event % does not follow the head', NEW.stream, NEW.seq
      USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_event_follows_head';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER chain_extended AFTER INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION extend_audit_chain();

-- What was done under which key, with what result: a repeated step finds its result here and does nothing twice.
CREATE TABLE operation (
  key text PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 500),
  request_digest digest NOT NULL,
  workflow_id text NOT NULL,
  run_id text NOT NULL,
  activity_id text NOT NULL,
  attempt integer NOT NULL CHECK (attempt >= 1),
  -- Null for work that has none.
  result jsonb,
  at timestamptz NOT NULL DEFAULT now()
);
SELECT make_append_only('operation');
SELECT make_rows_start('operation', '{}', 'at');
