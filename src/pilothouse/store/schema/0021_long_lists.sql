-- The list of jobs sorted and filtered by whether a job is a trial of another: the last of its columns without an index.
CREATE INDEX jobs_by_trial ON jobs (CASE WHEN parent_id IS NULL THEN 'no' ELSE 'yes' END, id);
