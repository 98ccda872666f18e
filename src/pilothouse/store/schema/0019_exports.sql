-- How far each export (lineage, traces) has delivered the audit log: entries up to sent_size have arrived.
CREATE TABLE export_cursors (
  name          TEXT PRIMARY KEY CHECK (name <> ''),
  sent_size     INTEGER NOT NULL CHECK (sent_size >= 0),
  sent_at       INTEGER,
  tried_at      INTEGER,
  failures      INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
  failing_since INTEGER,
  error         TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
