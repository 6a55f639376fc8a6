-- Monitoring: monitors, drift checks, retrain decisions.

CREATE TABLE monitor (
  id text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 200),
  model entity_name NOT NULL,
  model_version uuid NOT NULL,
  lifecycle text REFERENCES lifecycle,
  spec jsonb NOT NULL,
  schedule text NOT NULL,
  baseline_profile digest NOT NULL REFERENCES artifact,
  active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (model_version, model) REFERENCES model_version (id, model)
);
CREATE INDEX monitor_by_model ON monitor (model) WHERE active;
SELECT make_rows_start('monitor', '{"active": true}', 'created_at');
GRANT SELECT, INSERT, UPDATE (active) ON monitor TO modelwright_application;

CREATE TABLE drift_check (
  id uuid PRIMARY KEY,
  monitor text NOT NULL REFERENCES monitor,
  scheduled_at timestamptz NOT NULL,
  time_window jsonb NOT NULL,
  -- Null when there was nothing to count.
  data_digest digest REFERENCES artifact,
  report_digest digest REFERENCES artifact,
  verdict text NOT NULL CHECK (verdict IN ('stable', 'drifted', 'insufficient')),
  drifted_columns text[] NOT NULL DEFAULT '{}',
  harm boolean NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (monitor, scheduled_at),
  UNIQUE (id, monitor),
  CHECK ((verdict = 'drifted') = (cardinality(drifted_columns) > 0))
);
SELECT make_append_only('drift_check');
SELECT make_rows_start('drift_check', '{}', 'created_at');

CREATE TABLE retrain_decision (
  id uuid PRIMARY KEY,
  monitor text NOT NULL REFERENCES monitor,
  model entity_name NOT NULL REFERENCES model,
  -- One decision a check.
  drift_check uuid NOT NULL UNIQUE,
  decision text NOT NULL CHECK (decision IN ('start', 'cooldown', 'budget', 'in-flight', 'disabled')),
  reason text NOT NULL,
  -- Id of the lifecycle to start. Its row follows in a transaction of its own, and points back by caused_by.
  lifecycle text UNIQUE,
  at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (drift_check, monitor) REFERENCES drift_check (id, monitor),
  CHECK ((decision = 'start') = (lifecycle IS NOT NULL))
);
CREATE INDEX retrain_decision_by_model ON retrain_decision (model, at) WHERE decision = 'start';
SELECT make_append_only('retrain_decision');
SELECT make_rows_start('retrain_decision', '{}', 'at');

ALTER TABLE lifecycle ADD FOREIGN KEY (caused_by) REFERENCES retrain_decision;
