-- Lineage as a bipartite graph: nodes are things (data, model files, versions, evaluations, ...), executions are what was done, and an
-- edge says that an execution used or generated a thing, in which role. It takes the place of lineage_edge.

CREATE TABLE lineage_node (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- `artifact/DIGEST`, `model/NAME@N`, ...: what it is by its content, or by the one name it has. Never by the run that made it.
  ref text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(ref) BETWEEN 3 AND 2000)
);
SELECT make_append_only('lineage_node');

-- An execution's row is its seal: it is written last, and edges are refused once it is there.
CREATE TABLE execution (
  -- In the order of sealing, without a gap.
  id bigint PRIMARY KEY CHECK (id >= 1),
  kind text NOT NULL CHECK (kind IN ('snapshot', 'validate', 'train', 'admit', 'register', 'optimize', 'evaluate', 'approve',
    'rollout', 'monitor', 'window', 'drift-check', 'retrain-decision', 'carried-over')),
  lifecycle text,
  round integer CHECK (round >= 1),
  workflow_id text,
  run_id text,
  activity_id text,
  attempt integer CHECK (attempt >= 1),
  -- Of the sources the worker ran.
  code_digest digest,
  -- Of the canonical JSON of the settings that decided what came out.
  parameters_digest digest,
  started_at timestamptz NOT NULL,
  sealed_at timestamptz NOT NULL,
  used_count integer NOT NULL CHECK (used_count >= 0),
  generated_count integer NOT NULL CHECK (generated_count >= 1),
  -- Every execution that this one stands on, ascending. Null above the cap: then it is walked.
  upstream bigint[],
  -- What came from the edges of an older release does not know how it was made.
  CHECK (num_nulls(workflow_id, run_id, activity_id, attempt, code_digest, parameters_digest)
    = CASE kind WHEN 'carried-over' THEN 6 ELSE 0 END),
  CHECK (started_at <= sealed_at)
);
CREATE INDEX execution_by_lifecycle ON execution (lifecycle, id) WHERE lifecycle IS NOT NULL;
SELECT make_append_only('execution');

CREATE DOMAIN lineage_role AS text CHECK (VALUE IN ('source', 'training-data', 'calibration-data', 'evaluation-data', 'trainer',
  'lifecycle', 'bytes', 'version', 'parent', 'champion', 'canary', 'evaluation', 'report', 'page', 'baseline', 'approval',
  'rollout', 'monitor', 'window', 'drift-check', 'decision', 'input', 'output'));

CREATE TABLE used (
  execution bigint NOT NULL REFERENCES execution DEFERRABLE INITIALLY DEFERRED,
  node bigint NOT NULL REFERENCES lineage_node,
  role lineage_role NOT NULL,
  -- The execution that had made it. The same bytes may be made twice: then it is the newest of the same lifecycle, else the
  -- first on record; fixed here, so that what is made later changes no past. Null: nothing on record made it.
  -- Always an older one, so that there are no circles.
  made_by bigint REFERENCES execution CHECK (made_by < execution),
  PRIMARY KEY (execution, node, role)
);
CREATE INDEX used_by_node ON used (node, execution);
CREATE INDEX used_by_maker ON used (made_by, execution) WHERE made_by IS NOT NULL;
SELECT make_append_only('used');

CREATE TABLE generated (
  execution bigint NOT NULL REFERENCES execution DEFERRABLE INITIALLY DEFERRED,
  node bigint NOT NULL REFERENCES lineage_node,
  role lineage_role NOT NULL,
  PRIMARY KEY (execution, node, role)
);
CREATE INDEX generated_by_node ON generated (node, execution);
SELECT make_append_only('generated');

-- A registration outside any lifecycle is an auditor's to see.
SELECT make_seen_by_team(seen, condition) FROM (VALUES
  ('execution'::regclass, 'lifecycle IN (SELECT id FROM lifecycle)'),
  ('used', 'EXISTS (SELECT FROM execution WHERE execution.id = used.execution)'),
  ('generated', 'EXISTS (SELECT FROM execution WHERE execution.id = generated.execution)'),
  ('lineage_node', $$EXISTS (SELECT FROM used WHERE used.node = lineage_node.id)
    OR EXISTS (SELECT FROM generated WHERE generated.node = lineage_node.id)$$)
) AS given (seen, condition);

-- One lock for lineage and audit: most transactions write both, in either order, and two locks would meet each other.
-- Held to the end of the transaction, so executions commit in the order of their ids and each sees all before it.
CREATE FUNCTION lock_lineage() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM FROM audit_head WHERE stream = 'modelwright' FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM lock_audit_head('modelwright');
  END IF;
END $$;

CREATE FUNCTION refuse_sealed() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  -- Or a seal that is not yet committed would not be seen.
  PERFORM lock_lineage();
  IF EXISTS (SELECT FROM execution WHERE id = NEW.execution) THEN
    RAISE EXCEPTION 'execution %: it is sealed and takes no more edges', NEW.execution
      USING ERRCODE = 'check_violation', CONSTRAINT = 'execution_sealed';
  END IF;
  RETURN NEW;
END $$;

-- A stored closure costs 8 bytes an execution, again in everything made from it: chains would grow with the square of their
-- length. Past the cap a walk by index takes milliseconds all the same.
CREATE FUNCTION lineage_closure_cap() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 5000';

CREATE FUNCTION upstream_of_execution(sealing bigint) RETURNS bigint[] LANGUAGE sql STABLE
  SET search_path = pg_catalog, public, pg_temp AS $$
  WITH maker AS (
    SELECT id, upstream FROM execution
    WHERE id IN (SELECT made_by FROM used WHERE used.execution = sealing AND made_by IS NOT NULL)
  ), closure AS (SELECT id FROM maker UNION SELECT unnest(upstream) FROM maker)
  SELECT CASE
    WHEN EXISTS (SELECT FROM maker WHERE upstream IS NULL) OR count(*) > lineage_closure_cap() THEN NULL
    ELSE coalesce(array_agg(id ORDER BY id), '{}')
  END FROM closure
$$;

CREATE FUNCTION maker_of(made bigint, in_lifecycle text) RETURNS bigint LANGUAGE sql STABLE
  SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT coalesce(
    (SELECT max(execution.id) FROM execution JOIN generated ON generated.execution = execution.id AND generated.node = made
     WHERE execution.lifecycle = in_lifecycle),
    (SELECT min(execution) FROM generated WHERE node = made))
$$;

-- Writes an execution with its edges, whose `inputs` and `outputs` are [{"ref", "role"}]. Whoever calls it holds the lock.
CREATE FUNCTION seal_execution(sealed execution, inputs jsonb, outputs jsonb) RETURNS bigint LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  SELECT coalesce(max(id), 0) + 1 INTO sealed.id FROM execution;
  INSERT INTO lineage_node (ref)
    SELECT DISTINCT edge.ref FROM jsonb_to_recordset(inputs || outputs) AS edge (ref text)
    WHERE NOT EXISTS (SELECT FROM lineage_node WHERE lineage_node.ref = edge.ref) ORDER BY 1;
  INSERT INTO used (execution, node, role, made_by)
    SELECT DISTINCT sealed.id, node.id, edge.role, maker_of(node.id, sealed.lifecycle)
    FROM jsonb_to_recordset(inputs) AS edge (ref text, role text) JOIN lineage_node AS node ON node.ref = edge.ref;
  GET DIAGNOSTICS sealed.used_count = ROW_COUNT;
  INSERT INTO generated (execution, node, role)
    SELECT DISTINCT sealed.id, node.id, edge.role
    FROM jsonb_to_recordset(outputs) AS edge (ref text, role text) JOIN lineage_node AS node ON node.ref = edge.ref;
  GET DIAGNOSTICS sealed.generated_count = ROW_COUNT;
  sealed.upstream := upstream_of_execution(sealed.id);
  INSERT INTO execution SELECT sealed.*;
  RETURN sealed.id;
END $$;

-- What the application records; `recorded` holds columns of the execution's row. Returns its id.
CREATE FUNCTION record_execution(recorded jsonb, inputs jsonb, outputs jsonb) RETURNS bigint LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  sealed execution := jsonb_populate_record(NULL::execution, recorded);
BEGIN
  PERFORM lock_lineage();
  sealed.started_at := coalesce(sealed.started_at, now());
  sealed.sealed_at := clock_timestamp();
  RETURN seal_execution(sealed, inputs, outputs);
END $$;
GRANT EXECUTE ON FUNCTION record_execution(jsonb, jsonb, jsonb) TO modelwright_application;

-- The edges of an older release that are not here yet, an execution for each thing and lifecycle that they lead to. An edge
-- tells what was used for what; by whom, with which code and settings it did not tell.
CREATE FUNCTION carry_over_lineage() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  made record;
BEGIN
  FOR made IN
    SELECT edge.to_ref, edge.lifecycle, min(edge.at) AS started_at, max(edge.at) AS sealed_at,
      jsonb_agg(jsonb_build_object('ref', edge.from_ref, 'role', CASE
        WHEN edge.role IN ('training-data', 'evaluation-data', 'bytes', 'champion', 'baseline', 'window') THEN edge.role
        WHEN edge.role = 'snapshot' THEN 'source'
        WHEN edge.role = 'trained-by' THEN 'lifecycle'
        WHEN edge.role = 'optimized-from' THEN 'parent'
        WHEN edge.role IN ('scored', 'measured', 'evaluated', 'decided-on', 'watched') THEN 'version'
        WHEN edge.role IN ('promoted', 'rolled-back', 'aborted') THEN 'canary'
        WHEN edge.role = 'checked' THEN 'monitor'
        WHEN edge.role = 'caused' THEN 'decision'
        WHEN edge.role = 'rendered' THEN 'report'
        WHEN edge.role = 'evidence' AND edge.from_ref LIKE 'drift-check/%' THEN 'drift-check'
        WHEN edge.role IN ('evidence', 'report') THEN 'evaluation'
        ELSE 'input' END)) AS inputs
    FROM lineage_edge AS edge
    WHERE NOT EXISTS (SELECT FROM execution
      JOIN generated ON generated.execution = execution.id JOIN lineage_node AS to_node ON to_node.id = generated.node
      JOIN used ON used.execution = execution.id JOIN lineage_node AS from_node ON from_node.id = used.node
      WHERE execution.kind = 'carried-over' AND to_node.ref = edge.to_ref AND from_node.ref = edge.from_ref)
    GROUP BY edge.to_ref, edge.lifecycle ORDER BY max(edge.at), edge.to_ref
  LOOP
    PERFORM seal_execution(jsonb_populate_record(NULL::execution, to_jsonb(made) || '{"kind": "carried-over"}'), made.inputs,
      jsonb_build_array(jsonb_build_object('ref', made.to_ref, 'role', CASE
        WHEN made.to_ref LIKE 'model/%' THEN 'version'
        WHEN split_part(made.to_ref, '/', 1) IN ('evaluation', 'approval', 'rollout', 'monitor', 'drift-check', 'lifecycle')
          THEN split_part(made.to_ref, '/', 1)
        WHEN made.to_ref LIKE 'retrain-decision/%' THEN 'decision'
        ELSE 'output' END)));
  END LOOP;
END $$;
-- Before the triggers below: what is carried over was audited when it was done, and nobody else sees these tables yet.
SELECT carry_over_lineage();
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;

-- So late, because it locks the lifecycles against writing.
ALTER TABLE execution ADD FOREIGN KEY (lifecycle) REFERENCES lifecycle;
SELECT make_audited('execution');
CREATE TRIGGER not_sealed BEFORE INSERT ON used FOR EACH ROW EXECUTE FUNCTION refuse_sealed();
CREATE TRIGGER not_sealed BEFORE INSERT ON generated FOR EACH ROW EXECUTE FUNCTION refuse_sealed();

-- Executions upstream of a thing, at least as deep as it goes: those that generated it and all they stand on. Rows carry ids
-- alone, so that UNION drops what is reached by a second path; with a depth in the row each path would be walked again.
CREATE FUNCTION upstream_executions(wanted_ref text) RETURNS SETOF bigint LANGUAGE sql STABLE AS $$
  WITH RECURSIVE maker AS MATERIALIZED (
    SELECT id, upstream FROM execution
    WHERE id IN (SELECT execution FROM generated WHERE node = (SELECT id FROM lineage_node WHERE ref = wanted_ref))
  ), walked (id) AS (
    SELECT id FROM maker WHERE upstream IS NULL
    UNION SELECT used.made_by FROM walked JOIN used ON used.execution = walked.id WHERE used.made_by IS NOT NULL
  )
  SELECT id FROM maker UNION SELECT unnest(upstream) FROM maker UNION SELECT id FROM walked
$$;

-- Executions downstream of a thing: those that used it, and those that used what came of them.
CREATE FUNCTION downstream_executions(wanted_ref text) RETURNS SETOF bigint LANGUAGE sql STABLE AS $$
  WITH RECURSIVE walked (id) AS (
    SELECT execution FROM used WHERE node = (SELECT id FROM lineage_node WHERE ref = wanted_ref)
    UNION SELECT used.execution FROM walked JOIN used ON used.made_by = walked.id
  )
  SELECT id FROM walked
$$;
-- Executions by which a version's bytes came to be: its registration, what made the bytes, and the same for the version these
-- were made from. Not what they were compared with, nor what asked for them.
CREATE FUNCTION making_executions(version_ref text) RETURNS SETOF bigint LANGUAGE sql STABLE AS $$
  WITH RECURSIVE walked (id) AS (
    SELECT execution FROM generated WHERE node = (SELECT id FROM lineage_node WHERE ref = version_ref)
    UNION SELECT used.made_by FROM walked JOIN used ON used.execution = walked.id
      WHERE used.made_by IS NOT NULL AND used.role IN ('bytes', 'parent')
  )
  SELECT id FROM walked
$$;
GRANT EXECUTE ON FUNCTION upstream_executions(text), making_executions(text), downstream_executions(text)
  TO modelwright_application, modelwright_auditor, modelwright_member;
