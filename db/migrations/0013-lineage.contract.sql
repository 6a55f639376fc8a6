-- The edges of the release before, which went on writing them until now, are carried over as a whole; then they go.
SELECT FROM audit_head WHERE stream = 'modelwright' FOR UPDATE;
-- What is carried over was audited when it was done.
ALTER TABLE execution DISABLE TRIGGER written_with_audit_event;
SELECT carry_over_lineage();
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE execution ENABLE TRIGGER written_with_audit_event;

DROP FUNCTION carry_over_lineage(), record_lineage_edge(jsonb);
DROP TABLE lineage_edge;
