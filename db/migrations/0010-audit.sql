-- Appending in one call, the audit log's Merkle tree (RFC 9162) as far as it is complete, and the checkpoints that were signed of it. Neither is believed
-- by whoever verifies: a root counts when a signature outside the database says so.

-- Locks the head and appends, in one call: between two, every other writer would wait for the way to the application and back. Number
-- and time stand in the event's bytes, so these are put together here; what is around them has the order and the form of RFC 8785,
-- `body` comes canonical from the application.
CREATE FUNCTION record_audit(of_stream text, called text, of_statement text, about text, body text) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  -- Before the lock: a new name gets its pseudonym here.
  actor text := actor_ref(called);
  head record;
BEGIN
  -- Whole in itself, or it could bring fields of the event along.
  IF jsonb_typeof(body::jsonb) <> 'object' THEN
    RAISE EXCEPTION 'audit stream %: the body of an event is an object, not %', of_stream, body
      USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_event_has_body';
  END IF;
  SELECT * INTO head FROM lock_audit_head(of_stream);
  PERFORM append_audit_event(of_stream, head.seq + 1, convert_to(concat('{"actor":', to_json(actor), ',"at":"', head.at,
    '","body":', body, ',"seq":', head.seq + 1, ',"statement":' || to_json(of_statement), ',"stream":', to_json(of_stream),
    ',"subject":', to_json(about), '}'), 'UTF8'));
  RETURN head.seq + 1;
END $$;
GRANT EXECUTE ON FUNCTION record_audit(text, text, text, text, text) TO modelwright_application;
-- No release used it: an application gives its events neither number nor time.
REVOKE EXECUTE ON FUNCTION append_audit_event(text, bigint, bytea) FROM modelwright_application;

-- Roots of complete subtrees of 256 events, of 256 such subtrees, and so on: two bytes an event, and a proof about any event reads
-- 256 events and some hundreds of these.
CREATE TABLE audit_node (
  stream text NOT NULL REFERENCES audit_head,
  -- The subtree has 2 ^ level events, the first of them number index * 2 ^ level + 1.
  level smallint NOT NULL CHECK (level > 0 AND level % 8 = 0),
  index bigint NOT NULL CHECK (index >= 0),
  hash bytea NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (stream, level, index)
);
SELECT make_append_only('audit_node');

-- Root over 256 hashes that stand side by side in one string.
CREATE FUNCTION merkle_root(hashes bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT
  SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  width integer := length(hashes) / 64;
BEGIN
  WHILE width > 0 LOOP
    hashes := (SELECT string_agg(sha256('\x01'::bytea || substr(hashes, place * 64 + 1, 64)), '' ORDER BY place)
      FROM generate_series(0, width - 1) AS place);
    width := width / 2;
  END LOOP;
  RETURN hashes;
END $$;

-- Leaves of the subtrees from `first_subtree` on, 256 each, side by side; a subtree that is not complete is left out.
CREATE FUNCTION complete_subtrees(of_stream text, of_level smallint, first_subtree bigint)
  RETURNS TABLE (index bigint, hashes bytea) LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT (seq - 1) / 256, string_agg(sha256('\x00'::bytea || body), '' ORDER BY seq) FROM audit_event
    WHERE of_level = 8 AND stream = of_stream AND seq > first_subtree * 256 GROUP BY 1 HAVING count(*) = 256
  UNION ALL
  SELECT node.index / 256, string_agg(node.hash, '' ORDER BY node.index) FROM audit_node AS node
    WHERE of_level > 8 AND node.stream = of_stream AND node.level = of_level - 8 AND node.index >= first_subtree * 256
    GROUP BY 1 HAVING count(*) = 256
$$;

-- By the database from its own rows, so that millions of events need not travel and nobody else can write a node.
CREATE FUNCTION keep_audit_nodes(of_stream text) RETURNS void LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  of_level smallint := 8;
  first_subtree bigint;
BEGIN
  LOOP
    SELECT coalesce(max(index) + 1, 0) INTO first_subtree FROM audit_node WHERE stream = of_stream AND level = of_level;
    INSERT INTO audit_node (stream, level, index, hash)
      SELECT of_stream, of_level, subtree.index, merkle_root(subtree.hashes)
      FROM complete_subtrees(of_stream, of_level, first_subtree) AS subtree
      -- Two signers at once come to the same nodes.
      ON CONFLICT DO NOTHING;
    EXIT WHEN NOT FOUND AND first_subtree = 0;
    of_level := of_level + 8;
  END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION keep_audit_nodes(text) TO modelwright_application;

-- What was signed, for whoever asks the database how far the log is anchored; the file outside it is what counts.
CREATE TABLE audit_checkpoint (
  -- No reference to the stream's head: that a stream was signed must outlive the stream.
  stream text NOT NULL CHECK (length(stream) BETWEEN 1 AND 200),
  size bigint NOT NULL CHECK (size >= 0),
  root bytea NOT NULL CHECK (length(root) = 32),
  -- The signed note, as it stands in the file.
  note text NOT NULL CHECK (length(note) BETWEEN 1 AND 2000),
  -- NAME+ID+KEY, for orientation: whoever verifies has the key from somewhere else.
  public_key text NOT NULL CHECK (length(public_key) BETWEEN 1 AND 1000),
  -- Whether every event was read again for it, or those since the checkpoint before.
  whole boolean NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (stream, size, note)
);
SELECT make_append_only('audit_checkpoint');
SELECT make_rows_start('audit_checkpoint', '{}', 'at');
SELECT make_recorded('audit_checkpoint', '(stream, size, note)');
