-- A decision without evidence, as the release before records it, is none any more; those on record stay. UNIQUE (lifecycle, round)
-- stays with them: it guards those rows, and rows with evidence have no round for it to see.
ALTER TABLE approval ADD CONSTRAINT approval_has_evidence CHECK (evidence IS NOT NULL) NOT VALID;

REVOKE EXECUTE ON FUNCTION json_document(bytea) FROM modelwright_application;
