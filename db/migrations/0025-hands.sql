-- What people do to traffic by hand is an execution of lineage: a share they set, a promotion past the evidence, a rollback.

-- Wider than the check before, which every row passed: no need to read them again.
ALTER TABLE execution DROP CONSTRAINT execution_kind_check, ADD CONSTRAINT execution_kind_check CHECK (kind IN ('snapshot',
  'validate', 'train', 'admit', 'register', 'optimize', 'evaluate', 'approve', 'rollout', 'share', 'promote', 'rollback', 'monitor',
  'window', 'drift-check', 'retrain-decision', 'carried-over')) NOT VALID;
ALTER DOMAIN lineage_role DROP CONSTRAINT lineage_role_check;
ALTER DOMAIN lineage_role ADD CONSTRAINT lineage_role_check CHECK (VALUE IN ('source', 'training-data', 'calibration-data',
  'evaluation-data', 'trainer', 'lifecycle', 'bytes', 'version', 'parent', 'champion', 'canary', 'evaluation', 'report', 'page',
  'baseline', 'approval', 'rollout', 'routing-epoch', 'monitor', 'window', 'drift-check', 'decision', 'input', 'output')) NOT VALID;
