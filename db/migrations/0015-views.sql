-- Views for auditors who bring their own tools. They run with the rights of whoever asks, row security included; their comments are
-- the documentation, from which docs/audit-views.md is made.
CREATE SCHEMA audit_views;
GRANT USAGE ON SCHEMA audit_views TO modelwright_auditor, modelwright_member;

CREATE VIEW audit_views.version_evidence WITH (security_invoker = true) AS
SELECT 'model/' || version.model || '@' || version.number AS version, version.model, version.number, version.artifact AS digest,
  version.origin, 'model/' || parent.model || '@' || parent.number AS parent, version.lifecycle, version.created_by,
  version.created_at, judged.id AS evaluation, judged.verdict, judged.row_count, judged.data_digest, judged.report_digest,
  judged.created_at AS evaluated_at,
  (SELECT count(*) FROM gate_verdict WHERE gate_verdict.evaluation = judged.id) AS gates,
  (SELECT count(*) FROM gate_verdict WHERE gate_verdict.evaluation = judged.id AND gate_verdict.verdict = 'pass') AS gates_passed
FROM model_version AS version
  LEFT JOIN model_version AS parent ON parent.id = version.parent_version
  LEFT JOIN LATERAL (SELECT * FROM evaluation WHERE evaluation.model_version = version.id
    ORDER BY evaluation.created_at DESC, evaluation.id LIMIT 1) AS judged ON true;
COMMENT ON VIEW audit_views.version_evidence IS 'Every model version with its newest evaluation, if it has one.';
COMMENT ON COLUMN audit_views.version_evidence.version IS 'Its name, as lineage has it: model/NAME@N.';
COMMENT ON COLUMN audit_views.version_evidence.model IS 'The line of versions it belongs to.';
COMMENT ON COLUMN audit_views.version_evidence.number IS 'Its number in that line, from 1 without a hole.';
COMMENT ON COLUMN audit_views.version_evidence.digest IS 'SHA-256 of its bytes.';
COMMENT ON COLUMN audit_views.version_evidence.origin IS 'How it came to be: trained, optimized from another one, or registered by hand.';
COMMENT ON COLUMN audit_views.version_evidence.parent IS 'The version it was made from; null unless there is one.';
COMMENT ON COLUMN audit_views.version_evidence.lifecycle IS 'The lifecycle that made it; null for one registered by hand.';
COMMENT ON COLUMN audit_views.version_evidence.created_by IS 'Who registered it: a pseudonym, which who_did_what opens.';
COMMENT ON COLUMN audit_views.version_evidence.created_at IS 'When, in database time.';
COMMENT ON COLUMN audit_views.version_evidence.evaluation IS 'Its newest evaluation; null when it was never evaluated.';
COMMENT ON COLUMN audit_views.version_evidence.verdict IS 'pass, fail or inconclusive, over all gates of that evaluation.';
COMMENT ON COLUMN audit_views.version_evidence.row_count IS 'Rows it was evaluated on.';
COMMENT ON COLUMN audit_views.version_evidence.data_digest IS 'SHA-256 of these rows.';
COMMENT ON COLUMN audit_views.version_evidence.report_digest IS 'SHA-256 of the whole report.';
COMMENT ON COLUMN audit_views.version_evidence.evaluated_at IS 'When the evaluation was recorded.';
COMMENT ON COLUMN audit_views.version_evidence.gates IS 'Gates fixed before it was evaluated.';
COMMENT ON COLUMN audit_views.version_evidence.gates_passed IS 'How many of them passed.';

CREATE VIEW audit_views.approvals WITH (security_invoker = true) AS
SELECT approval.id AS approval, coalesce(version.model, lifecycle.model) AS model,
  'model/' || version.model || '@' || version.number AS version, approval.environment, approval.lifecycle, approval.decision,
  approval.decided_by, decider.name AS decided_by_name, approval.started_by, said.content AS reason, approval.evidence_digest,
  approval.policy_digest, approval.statement, approval.decided_at, approval.expires_at
FROM approval LEFT JOIN lifecycle ON lifecycle.id = approval.lifecycle
  LEFT JOIN model_version AS version ON version.id = approval.model_version
  LEFT JOIN person_name AS decider ON decider.ref = approval.decided_by
  LEFT JOIN person_text AS said ON said.ref = approval.reason;
COMMENT ON VIEW audit_views.approvals IS 'What people decided about versions.';
COMMENT ON COLUMN audit_views.approvals.approval IS 'Its id; approval/ID in lineage.';
COMMENT ON COLUMN audit_views.approvals.model IS 'The model it is about.';
COMMENT ON COLUMN audit_views.approvals.version IS 'The version it is about; null for what release 0.1.0 recorded, which named the lifecycle alone.';
COMMENT ON COLUMN audit_views.approvals.environment IS 'Where the version may serve by it; null for a lifecycle that deploys nowhere, and for release 0.1.0.';
COMMENT ON COLUMN audit_views.approvals.lifecycle IS 'The lifecycle that waited for it; null for a version that was registered by hand.';
COMMENT ON COLUMN audit_views.approvals.decision IS 'approve or reject.';
COMMENT ON COLUMN audit_views.approvals.decided_by IS 'Who decided: a pseudonym, or the name an earlier release wrote.';
COMMENT ON COLUMN audit_views.approvals.decided_by_name IS 'The name behind the pseudonym; null when it was erased.';
COMMENT ON COLUMN audit_views.approvals.started_by IS 'The author, who may not approve it.';
COMMENT ON COLUMN audit_views.approvals.reason IS 'What was said; null when nothing was, or when it was erased.';
COMMENT ON COLUMN audit_views.approvals.evidence_digest IS 'SHA-256 of exactly what was approved.';
COMMENT ON COLUMN audit_views.approvals.policy_digest IS 'SHA-256 of the policy it was given under.';
COMMENT ON COLUMN audit_views.approvals.statement IS 'SHA-256 of what was signed; null where people are believed by their word.';
COMMENT ON COLUMN audit_views.approvals.decided_at IS 'When, in database time.';
COMMENT ON COLUMN audit_views.approvals.expires_at IS 'Until when it counts; null for release 0.1.0.';

CREATE VIEW audit_views.promotions WITH (security_invoker = true) AS
SELECT epoch.endpoint, endpoint.environment, epoch.epoch, epoch.created_at AS at,
  lead(epoch.created_at) OVER (PARTITION BY epoch.endpoint ORDER BY epoch.epoch) AS until,
  'model/' || champion.model || '@' || champion.number AS champion, epoch.champion_share,
  'model/' || canary.model || '@' || canary.number AS canary, epoch.canary_share, champion_evidence.evaluation AS champion_evaluation,
  canary_evidence.evaluation AS canary_evaluation, epoch.rollout, epoch.reason, epoch.created_by
FROM routing_epoch AS epoch JOIN endpoint ON endpoint.name = epoch.endpoint
  LEFT JOIN model_version AS champion ON champion.id = epoch.champion_version
  LEFT JOIN model_version AS canary ON canary.id = epoch.canary_version
  LEFT JOIN promotion AS champion_evidence ON champion_evidence.endpoint = epoch.endpoint
    AND champion_evidence.epoch = epoch.epoch AND champion_evidence.version = epoch.champion_version
  LEFT JOIN promotion AS canary_evidence ON canary_evidence.endpoint = epoch.endpoint
    AND canary_evidence.epoch = epoch.epoch AND canary_evidence.version = epoch.canary_version;
COMMENT ON VIEW audit_views.promotions IS 'Which version served where, from when to when, with which share and by what evidence: every routing epoch.';
COMMENT ON COLUMN audit_views.promotions.endpoint IS 'What clients call.';
COMMENT ON COLUMN audit_views.promotions.environment IS 'Its environment, whose policy says whether evidence is asked for.';
COMMENT ON COLUMN audit_views.promotions.epoch IS 'Number of the routing epoch, from 1 without a hole.';
COMMENT ON COLUMN audit_views.promotions.at IS 'When it began.';
COMMENT ON COLUMN audit_views.promotions.until IS 'When the next one began; null for the present one.';
COMMENT ON COLUMN audit_views.promotions.champion IS 'The version that served.';
COMMENT ON COLUMN audit_views.promotions.champion_share IS 'Its share in basis points.';
COMMENT ON COLUMN audit_views.promotions.canary IS 'The version on trial; null without one.';
COMMENT ON COLUMN audit_views.promotions.canary_share IS 'Its share in basis points.';
COMMENT ON COLUMN audit_views.promotions.champion_evaluation IS 'The passing evaluation of exactly its bytes; null where the environment asks for none.';
COMMENT ON COLUMN audit_views.promotions.canary_evaluation IS 'The same for the canary.';
COMMENT ON COLUMN audit_views.promotions.rollout IS 'The rollout that moved the traffic; null for a rollback by hand.';
COMMENT ON COLUMN audit_views.promotions.reason IS 'Why it began.';
COMMENT ON COLUMN audit_views.promotions.created_by IS 'Who began it: a pseudonym, which who_did_what opens.';

CREATE VIEW audit_views.lineage_edges WITH (security_invoker = true) AS
SELECT execution.id AS execution, execution.kind, input.ref AS used, used.role AS used_as, used.made_by AS used_from,
  output.ref AS generated, generated.role AS generated_as, execution.lifecycle, execution.round, execution.workflow_id,
  execution.run_id, execution.activity_id, execution.attempt, execution.code_digest, execution.parameters_digest,
  execution.started_at, execution.sealed_at
FROM execution JOIN generated ON generated.execution = execution.id JOIN lineage_node AS output ON output.id = generated.node
  LEFT JOIN used ON used.execution = execution.id LEFT JOIN lineage_node AS input ON input.id = used.node;
COMMENT ON VIEW audit_views.lineage_edges IS 'What was made from what: a row for each thing an execution used and each it generated.';
COMMENT ON COLUMN audit_views.lineage_edges.execution IS 'Number of the execution, in the order of sealing without a gap.';
COMMENT ON COLUMN audit_views.lineage_edges.kind IS 'What was done: snapshot, train, register, optimize, evaluate, approve, rollout, ...';
COMMENT ON COLUMN audit_views.lineage_edges.used IS 'What was used; null when nothing was.';
COMMENT ON COLUMN audit_views.lineage_edges.used_as IS 'In which role.';
COMMENT ON COLUMN audit_views.lineage_edges.used_from IS 'The execution that had made it; null when nothing on record had.';
COMMENT ON COLUMN audit_views.lineage_edges.generated IS 'What came of it.';
COMMENT ON COLUMN audit_views.lineage_edges.generated_as IS 'In which role.';
COMMENT ON COLUMN audit_views.lineage_edges.lifecycle IS 'The lifecycle it belongs to, or null.';
COMMENT ON COLUMN audit_views.lineage_edges.round IS 'The round of that lifecycle.';
COMMENT ON COLUMN audit_views.lineage_edges.workflow_id IS 'The Temporal workflow that asked for it; null, as the next five, for what an earlier release recorded.';
COMMENT ON COLUMN audit_views.lineage_edges.run_id IS 'Its run.';
COMMENT ON COLUMN audit_views.lineage_edges.activity_id IS 'The activity in that run.';
COMMENT ON COLUMN audit_views.lineage_edges.attempt IS 'Which attempt of the activity it was.';
COMMENT ON COLUMN audit_views.lineage_edges.code_digest IS 'SHA-256 of the sources the worker ran.';
COMMENT ON COLUMN audit_views.lineage_edges.parameters_digest IS 'SHA-256 of the settings as RFC 8785 JSON.';
COMMENT ON COLUMN audit_views.lineage_edges.started_at IS 'When it began.';
COMMENT ON COLUMN audit_views.lineage_edges.sealed_at IS 'When it was recorded; no edge was added since.';

CREATE VIEW audit_views.predictions WITH (security_invoker = true) AS
SELECT prediction.inference_id, prediction.at, prediction.endpoint, endpoint.environment, prediction.epoch, prediction.arm,
  prediction.outcome, prediction.score, prediction.decision, feedback.label,
  'model/' || version.model || '@' || version.number AS version, version.artifact AS version_digest, version.origin,
  'model/' || parent.model || '@' || parent.number AS parent, version.lifecycle, lifecycle.started_by, promotion.evaluation,
  evaluation.verdict, evaluation.report_digest, consent.approvals, consent.approved_by, consent.approved_at, chain.training_data, chain.sources, chain.trainer
FROM prediction
  JOIN endpoint ON endpoint.name = prediction.endpoint
  JOIN routing_epoch AS routed ON routed.endpoint = prediction.endpoint AND routed.epoch = prediction.epoch
  JOIN model_version AS version ON version.id = prediction.model_version
  LEFT JOIN feedback ON feedback.inference_id = prediction.inference_id
  LEFT JOIN model_version AS parent ON parent.id = version.parent_version
  LEFT JOIN lifecycle ON lifecycle.id = version.lifecycle
  LEFT JOIN promotion ON promotion.endpoint = prediction.endpoint AND promotion.epoch = prediction.epoch
    AND promotion.version = prediction.model_version
  LEFT JOIN evaluation ON evaluation.id = promotion.evaluation
  LEFT JOIN LATERAL (SELECT array_agg(approval.id ORDER BY decided_at) AS approvals,
      array_agg(decided_by::text ORDER BY decided_at) AS approved_by, max(decided_at) AS approved_at
    FROM approval WHERE approval.decision = 'approve' AND approval.decided_at <= routed.created_at
      AND (approval.environment IS NULL OR approval.environment = endpoint.environment)
      AND (approval.model_version = version.id OR approval.model_version IS NULL AND approval.lifecycle = version.lifecycle
        AND approval.round >= version.round)) AS consent ON true
  LEFT JOIN LATERAL (SELECT
      array_agg(DISTINCT substr(thing.ref, 10)) FILTER (WHERE used.role = 'training-data') AS training_data,
      array_agg(DISTINCT origin.ref) FILTER (WHERE used.role = 'training-data' AND origin.ref IS NOT NULL) AS sources,
      array_agg(DISTINCT thing.ref) FILTER (WHERE used.role = 'trainer') AS trainer
    FROM making_executions('model/' || version.model || '@' || version.number) AS making (id)
      JOIN used ON used.execution = making.id JOIN lineage_node AS thing ON thing.id = used.node
      LEFT JOIN used AS cut ON cut.execution = used.made_by AND cut.role = 'source' AND used.role = 'training-data'
      LEFT JOIN lineage_node AS origin ON origin.id = cut.node) AS chain ON true;
COMMENT ON VIEW audit_views.predictions IS 'Every logged prediction with its whole chain. Ask by inference_id, or by endpoint and time: there are many.';
COMMENT ON COLUMN audit_views.predictions.inference_id IS 'Id of the answered request, with the row''s number after it when it had several.';
COMMENT ON COLUMN audit_views.predictions.at IS 'When it was answered.';
COMMENT ON COLUMN audit_views.predictions.endpoint IS 'What the client called.';
COMMENT ON COLUMN audit_views.predictions.environment IS 'The endpoint''s environment.';
COMMENT ON COLUMN audit_views.predictions.epoch IS 'The routing epoch it was answered under; see promotions.';
COMMENT ON COLUMN audit_views.predictions.arm IS 'champion or canary.';
COMMENT ON COLUMN audit_views.predictions.outcome IS 'ok or error.';
COMMENT ON COLUMN audit_views.predictions.score IS 'The score that was answered; null for an error.';
COMMENT ON COLUMN audit_views.predictions.decision IS 'The decision, 0 or 1; null for an error.';
COMMENT ON COLUMN audit_views.predictions.label IS 'What came true; null as long as it is not known.';
COMMENT ON COLUMN audit_views.predictions.version IS 'The version that answered.';
COMMENT ON COLUMN audit_views.predictions.version_digest IS 'SHA-256 of its bytes.';
COMMENT ON COLUMN audit_views.predictions.origin IS 'How that version came to be.';
COMMENT ON COLUMN audit_views.predictions.parent IS 'The version it was made from; null unless there is one.';
COMMENT ON COLUMN audit_views.predictions.lifecycle IS 'The lifecycle that made it.';
COMMENT ON COLUMN audit_views.predictions.started_by IS 'Who started that lifecycle: a pseudonym.';
COMMENT ON COLUMN audit_views.predictions.evaluation IS 'The passing evaluation that let it serve in this epoch; null where none was asked for.';
COMMENT ON COLUMN audit_views.predictions.verdict IS 'Its verdict.';
COMMENT ON COLUMN audit_views.predictions.report_digest IS 'SHA-256 of its report.';
COMMENT ON COLUMN audit_views.predictions.approvals IS 'Approvals of the version for this environment, on record when the epoch began; null when there were none.';
COMMENT ON COLUMN audit_views.predictions.approved_by IS 'Who approved, in the same order: pseudonyms.';
COMMENT ON COLUMN audit_views.predictions.approved_at IS 'When the last of them did.';
COMMENT ON COLUMN audit_views.predictions.training_data IS 'SHA-256 of the snapshots the version, or the one it was made from, was trained on.';
COMMENT ON COLUMN audit_views.predictions.sources IS 'Where these were cut from: source/PATH#DIGEST.';
COMMENT ON COLUMN audit_views.predictions.trainer IS 'Files of the trainer: source/PATH#DIGEST.';

CREATE VIEW audit_views.who_did_what WITH (security_invoker = true) AS
SELECT event.stream, event.seq, event.at, event.actor, person_name.name, event.kind, event.subject,
  convert_from(event.body, 'UTF8')::jsonb -> 'body' AS told, encode(event.hash, 'hex') AS hash
FROM audit_event AS event LEFT JOIN person_name ON person_name.ref = event.actor;
COMMENT ON VIEW audit_views.who_did_what IS 'The audit log, with names where they are not erased.';
COMMENT ON COLUMN audit_views.who_did_what.stream IS 'The log it stands in.';
COMMENT ON COLUMN audit_views.who_did_what.seq IS 'Its number there, from 1 without a gap.';
COMMENT ON COLUMN audit_views.who_did_what.at IS 'When, in database time.';
COMMENT ON COLUMN audit_views.who_did_what.actor IS 'Who: person/PSEUDONYM or service/NAME, or the name an earlier release wrote.';
COMMENT ON COLUMN audit_views.who_did_what.name IS 'The name behind the pseudonym; null when it was erased, or for a service.';
COMMENT ON COLUMN audit_views.who_did_what.kind IS 'What happened.';
COMMENT ON COLUMN audit_views.who_did_what.subject IS 'What it is about: lifecycle/ID, model/NAME@N, endpoint/NAME, ...';
COMMENT ON COLUMN audit_views.who_did_what.told IS 'What the event says of it.';
COMMENT ON COLUMN audit_views.who_did_what.hash IS 'SHA-256 that chains it to the event before, as hexadecimal digits.';

-- Members have no rights to the audit log, so who_did_what is not theirs.
GRANT SELECT ON audit_views.version_evidence, audit_views.approvals, audit_views.promotions, audit_views.lineage_edges,
  audit_views.predictions, audit_views.who_did_what TO modelwright_auditor;
GRANT SELECT ON audit_views.version_evidence, audit_views.approvals, audit_views.promotions, audit_views.lineage_edges,
  audit_views.predictions TO modelwright_member;
