-- Who went past the evidence of a rollout: promoted it without, or gave its canary a share that it had not earned. Kept for ever, and
-- told wherever the rollout is explained.

CREATE TABLE rollout_override (
  id uuid PRIMARY KEY,
  rollout text NOT NULL REFERENCES rollout,
  -- Basis points that were set; null for a promotion.
  canary_share integer CHECK (canary_share BETWEEN 1 AND 9999),
  asked_by actor NOT NULL,
  reason text NOT NULL CHECK (reason <> ''),
  -- Digest of what was signed; null where people are believed by their word.
  statement text UNIQUE REFERENCES signed_statement (digest),
  at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX rollout_override_by_rollout ON rollout_override (rollout, at);
SELECT make_append_only('rollout_override');
SELECT make_rows_start('rollout_override', '{}', 'at');
SELECT make_pseudonymous('rollout_override', 'asked_by');
SELECT make_recorded('rollout_override');
SELECT make_audited('rollout_override');
SELECT make_seen_by_team('rollout_override', 'rollout IN (SELECT id FROM rollout)');
