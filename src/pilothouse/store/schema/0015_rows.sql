-- Digests of the rows that decide: what each held after the transaction that wrote it last. The audit entry of that transaction
-- has their common digest (audit.rows), which its hash covers.
CREATE TABLE row_digests (
  id     INTEGER PRIMARY KEY,
  seq    INTEGER NOT NULL REFERENCES audit (seq),
  tbl    TEXT NOT NULL,
  key    TEXT NOT NULL CHECK (json_valid(key)),   -- its key as a JSON list
  name   TEXT NOT NULL,                           -- as people call the row
  digest TEXT CHECK (length(digest) = 64)         -- NULL: the row was deleted
) STRICT;
CREATE INDEX row_digests_of_row ON row_digests (tbl, key, id);
CREATE INDEX row_digests_of_entry ON row_digests (seq);

ALTER TABLE audit ADD COLUMN rows TEXT CHECK (length(rows) = 64);

CREATE TRIGGER audit_times_run_on BEFORE INSERT ON audit
WHEN NEW.recorded_at < (SELECT recorded_at FROM audit ORDER BY seq DESC LIMIT 1)
BEGIN SELECT RAISE(ABORT, 'an audit row is never earlier than the one before it'); END;
