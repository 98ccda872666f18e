-- The newest look of each trigger at its source, as the daemon last wrote it.
CREATE TABLE trigger_looks (
  model_id    INTEGER NOT NULL REFERENCES models (id),
  trigger     TEXT NOT NULL CHECK (trigger <> ''),
  looked_at   INTEGER NOT NULL,
  fault       TEXT NOT NULL DEFAULT '',
  failures    INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
  failing_since INTEGER,
  every_s     INTEGER NOT NULL CHECK (every_s > 0),
  PRIMARY KEY (model_id, trigger),
  CHECK ((fault = '') = (failures = 0) AND (fault = '') = (failing_since IS NULL))
) STRICT, WITHOUT ROWID;
