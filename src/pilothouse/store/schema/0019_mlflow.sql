-- What other registries said: models, versions, aliases and runs that were imported. Nothing here was trained, judged or approved
-- by Pilothouse, and no deployment, request or version points here.
CREATE TABLE imports (
  id          INTEGER PRIMARY KEY,
  origin      TEXT NOT NULL CHECK (origin <> ''),
  options     TEXT NOT NULL CHECK (json_valid(options)),
  imported_by TEXT NOT NULL CHECK (imported_by <> ''),
  recorded_at INTEGER NOT NULL,
  finished_at INTEGER,
  counts      TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(counts))
) STRICT;

-- name: a word of ours. original: theirs, whatever somebody typed there.
CREATE TABLE imported_models (
  id          INTEGER PRIMARY KEY,
  origin      TEXT NOT NULL,
  workspace   TEXT NOT NULL,
  original    TEXT NOT NULL,
  name        TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  tags        TEXT NOT NULL CHECK (json_valid(tags)),
  created_ms  INTEGER,
  updated_ms  INTEGER,
  recorded_at INTEGER NOT NULL,
  UNIQUE (origin, workspace, original)
) STRICT;

-- A model that was deleted and made again there begins at 1 again: a version is known by the time of its making too.
CREATE TABLE imported_versions (
  id          INTEGER PRIMARY KEY,
  imported_model_id INTEGER NOT NULL REFERENCES imported_models (id),
  number      INTEGER NOT NULL,
  created_ms  INTEGER NOT NULL,
  updated_ms  INTEGER,
  description TEXT NOT NULL,
  user        TEXT NOT NULL,
  stage       TEXT NOT NULL,
  status      TEXT NOT NULL,
  source      TEXT NOT NULL,
  run         TEXT NOT NULL,
  tags        TEXT NOT NULL CHECK (json_valid(tags)),
  digest      TEXT NOT NULL CHECK (length(digest) = 64),
  form        TEXT NOT NULL DEFAULT '' CHECK (form IN ('', 'skops', 'pickle', 'other', 'none')),
  files       TEXT CHECK (json_valid(files)),
  files_fault TEXT NOT NULL DEFAULT '',
  first_import INTEGER NOT NULL REFERENCES imports (id),
  last_import INTEGER NOT NULL REFERENCES imports (id),
  gone_import INTEGER REFERENCES imports (id),
  recorded_at INTEGER NOT NULL,
  UNIQUE (imported_model_id, number, created_ms)
) STRICT;

-- Each meaning of an alias, from the first import on that saw it.
CREATE TABLE imported_aliases (
  id          INTEGER PRIMARY KEY,
  imported_model_id INTEGER NOT NULL REFERENCES imported_models (id),
  alias       TEXT NOT NULL,
  number      INTEGER NOT NULL,
  since_import INTEGER NOT NULL REFERENCES imports (id),
  recorded_at INTEGER NOT NULL,
  until_import INTEGER REFERENCES imports (id),
  ended_at    INTEGER,
  CHECK ((until_import IS NULL) = (ended_at IS NULL))
) STRICT;
CREATE UNIQUE INDEX imported_aliases_now ON imported_aliases (imported_model_id, alias) WHERE ended_at IS NULL;
CREATE INDEX imported_aliases_of ON imported_aliases (imported_model_id, id);

-- Parameters, latest metrics, tags, inputs and outputs as JSON; curves as compressed JSON, by metric: step, time, value.
CREATE TABLE imported_runs (
  id          INTEGER PRIMARY KEY,
  origin      TEXT NOT NULL,
  run         TEXT NOT NULL,
  status      TEXT NOT NULL,
  started_ms  INTEGER,
  ended_ms    INTEGER,
  facts       TEXT NOT NULL CHECK (json_valid(facts)),
  curves      BLOB,
  digest      TEXT NOT NULL CHECK (length(digest) = 64),
  recorded_at INTEGER NOT NULL,
  UNIQUE (origin, run)
) STRICT;

-- What a confined step found when it loaded the model file of a version by our own list of types and let it answer its example.
CREATE TABLE imported_scores (
  id          INTEGER PRIMARY KEY,
  imported_version_id INTEGER NOT NULL REFERENCES imported_versions (id),
  model_digest TEXT NOT NULL CHECK (length(model_digest) = 64),
  answers     INTEGER NOT NULL CHECK (answers IN (0, 1)),
  finding     TEXT NOT NULL CHECK (finding <> ''),
  record      TEXT NOT NULL CHECK (json_valid(record)),
  scored_by   TEXT NOT NULL CHECK (scored_by <> ''),
  recorded_at INTEGER NOT NULL
) STRICT;
CREATE INDEX imported_scores_of ON imported_scores (imported_version_id, id);

CREATE TRIGGER imported_aliases_end_once BEFORE UPDATE ON imported_aliases
WHEN OLD.ended_at IS NOT NULL OR NEW.imported_model_id <> OLD.imported_model_id OR NEW.alias <> OLD.alias
  OR NEW.number <> OLD.number OR NEW.since_import <> OLD.since_import OR NEW.recorded_at <> OLD.recorded_at
BEGIN SELECT RAISE(ABORT, 'an alias of another registry ends once and changes in nothing else'); END;
