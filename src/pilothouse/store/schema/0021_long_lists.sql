-- The list of jobs sorted and filtered by whether a job is a trial of another: the last of its columns without an index.
CREATE INDEX jobs_by_trial ON jobs (CASE WHEN parent_id IS NULL THEN 'no' ELSE 'yes' END, id);
-- A text is looked for in the detail of entries too. With it the index has all that is searched, and half of the bytes of the table.
DROP INDEX audit_searched;
CREATE INDEX audit_searched ON audit (seq, lower(actor || ' ' || action || ' ' || subject), detail);
