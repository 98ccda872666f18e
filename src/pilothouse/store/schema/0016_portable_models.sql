-- Portable form of a version's model, or why there is none. The newest row of a version counts: one of an earlier release is
-- converted later.
CREATE TABLE portable_models (
  id          INTEGER PRIMARY KEY,
  model_id    INTEGER NOT NULL REFERENCES models (id),
  version_id  INTEGER NOT NULL REFERENCES versions (id),
  digest      TEXT CHECK (length(digest) = 64),
  bytes       INTEGER NOT NULL CHECK (bytes >= 0),
  reason      TEXT NOT NULL,
  rows        INTEGER NOT NULL CHECK (rows >= 0),
  made_with   TEXT NOT NULL CHECK (json_valid(made_with)),
  recorded_at INTEGER NOT NULL,
  CHECK ((digest IS NULL) = (reason <> ''))
) STRICT;

CREATE INDEX portable_models_of_version ON portable_models (version_id, id);
