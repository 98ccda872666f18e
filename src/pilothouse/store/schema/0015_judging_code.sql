-- Digests of the files that a gate function can reach, by name; NULL: applied by a release that did not record them.
ALTER TABLE model_specs ADD COLUMN judging_code TEXT CHECK (judging_code IS NULL OR json_valid(judging_code));

-- A workspace whose policy was never set had one that asked for nothing: it keeps it, by name. The default asks for more now.
INSERT INTO workspace_policies (approvals, four_eyes, allow_automatic, set_by, recorded_at)
SELECT 0, 0, 1, 'upgrade', coalesce((SELECT recorded_at FROM audit WHERE seq = 1), 0)
WHERE EXISTS (SELECT 1 FROM settings WHERE name = 'created_by') AND NOT EXISTS (SELECT 1 FROM workspace_policies);
