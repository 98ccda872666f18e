-- From the model file to the version: specifications, targets, jobs, snapshots, runs, versions and what judged them.

CREATE TABLE models (
  id         INTEGER PRIMARY KEY,
  name       TEXT NOT NULL UNIQUE CHECK (name <> ''),
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL
) STRICT;

-- One row for each applied change of a model file; the newest row of a model is in force.
CREATE TABLE model_specs (
  id          INTEGER PRIMARY KEY,
  model_id    INTEGER NOT NULL REFERENCES models (id),
  digest      TEXT NOT NULL CHECK (length(digest) = 64),
  spec        TEXT NOT NULL CHECK (json_valid(spec)),
  source      TEXT NOT NULL,                -- the text of model.toml as it was read
  folder      TEXT NOT NULL,
  task        TEXT NOT NULL CHECK (task IN ('binary', 'multiclass', 'regression')),
  owner       TEXT NOT NULL,
  description TEXT NOT NULL,
  loosened    TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(loosened)),
  applied_by  TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  UNIQUE (id, model_id)
) STRICT;
CREATE INDEX model_specs_newest ON model_specs (model_id, id);

CREATE TABLE targets (
  id            INTEGER PRIMARY KEY,
  name          TEXT NOT NULL UNIQUE CHECK (name <> ''),
  region        TEXT NOT NULL DEFAULT '',
  product       TEXT NOT NULL DEFAULT '',
  business_unit TEXT NOT NULL DEFAULT '',
  created_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE target_tokens (
  id          INTEGER PRIMARY KEY,
  target_id   INTEGER NOT NULL REFERENCES targets (id),
  digest      TEXT NOT NULL UNIQUE CHECK (length(digest) = 64),
  issued_by   TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  revoked_at  INTEGER
) STRICT;
CREATE UNIQUE INDEX target_tokens_in_force ON target_tokens (target_id) WHERE revoked_at IS NULL;

-- The targets that the model file in force names, in its order.
CREATE TABLE model_targets (
  model_id  INTEGER NOT NULL REFERENCES models (id),
  target_id INTEGER NOT NULL REFERENCES targets (id),
  position  INTEGER NOT NULL,
  PRIMARY KEY (model_id, target_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
  id                  INTEGER PRIMARY KEY,
  kind                TEXT NOT NULL CHECK (kind IN ('train', 'reproduce', 'backtest')),
  model_id            INTEGER NOT NULL REFERENCES models (id),
  spec_id             INTEGER NOT NULL,
  status              TEXT NOT NULL DEFAULT 'queued' CHECK (status IN
                        ('queued', 'running', 'succeeded', 'failed', 'crashed', 'out of memory', 'timed out',
                         'cancelled', 'lost')),
  step                TEXT NOT NULL DEFAULT '',
  progress            REAL NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
  message             TEXT NOT NULL DEFAULT '',
  created_by          TEXT NOT NULL,
  reason              TEXT NOT NULL,
  created_at          INTEGER NOT NULL,
  started_at          INTEGER,
  ended_at            INTEGER,
  attempt             INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),   -- the fencing token
  max_attempts        INTEGER NOT NULL DEFAULT 3 CHECK (max_attempts >= 1),
  lease_owner         TEXT,
  lease_until         INTEGER,
  cancel_requested_at INTEGER,
  cancel_requested_by TEXT,
  options             TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(options)),
  trigger_key         TEXT NOT NULL DEFAULT '',
  alert_id            INTEGER REFERENCES alerts (id),
  retry_of            INTEGER REFERENCES jobs (id),
  version_id          INTEGER REFERENCES versions (id),
  error               TEXT NOT NULL DEFAULT '',
  result              TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(result)),
  FOREIGN KEY (spec_id, model_id) REFERENCES model_specs (id, model_id),
  CHECK ((status IN ('queued', 'running')) = (ended_at IS NULL)),
  CHECK ((status = 'running') = (lease_owner IS NOT NULL)),
  CHECK ((lease_owner IS NULL) = (lease_until IS NULL))
) STRICT;
CREATE UNIQUE INDEX jobs_trigger_once ON jobs (model_id, trigger_key) WHERE trigger_key <> '';
CREATE INDEX jobs_waiting ON jobs (status, id) WHERE status IN ('queued', 'running');
CREATE INDEX jobs_of_model ON jobs (model_id, id);

-- One row for each process of each attempt of a job.
CREATE TABLE job_steps (
  job_id         INTEGER NOT NULL REFERENCES jobs (id),
  attempt        INTEGER NOT NULL,
  position       INTEGER NOT NULL,
  step           TEXT NOT NULL,
  ok             INTEGER NOT NULL CHECK (ok IN (0, 1)),
  reason         TEXT NOT NULL,
  exit_code      INTEGER,
  signal         INTEGER,
  seconds        REAL NOT NULL,
  peak_memory_mb REAL NOT NULL,
  error          TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (job_id, attempt, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshots (
  id              INTEGER PRIMARY KEY,
  content_digest  TEXT NOT NULL CHECK (length(content_digest) = 64),
  artifact_digest TEXT NOT NULL CHECK (length(artifact_digest) = 64),
  source_digest   TEXT NOT NULL CHECK (length(source_digest) = 64),
  rows            INTEGER NOT NULL CHECK (rows >= 0),
  training_rows   INTEGER NOT NULL CHECK (training_rows >= 0),
  holdout_rows    INTEGER NOT NULL CHECK (holdout_rows >= 0),
  first_row_at    INTEGER NOT NULL,
  last_row_at     INTEGER NOT NULL,
  trained_until   INTEGER NOT NULL,
  columns         TEXT NOT NULL CHECK (json_valid(columns)),
  schema          TEXT NOT NULL CHECK (json_valid(schema)),
  recorded_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX snapshots_by_content ON snapshots (content_digest);

CREATE TABLE runs (
  id                 INTEGER PRIMARY KEY,
  model_id           INTEGER NOT NULL REFERENCES models (id),
  job_id             INTEGER NOT NULL UNIQUE REFERENCES jobs (id),
  spec_id            INTEGER NOT NULL,
  snapshot_id        INTEGER NOT NULL REFERENCES snapshots (id),
  as_of              INTEGER,
  spec               TEXT NOT NULL CHECK (json_valid(spec)),   -- with the overrides of this run
  parameters         TEXT NOT NULL CHECK (json_valid(parameters)),
  seed               INTEGER NOT NULL,
  started_by         TEXT NOT NULL,
  reason             TEXT NOT NULL,
  started_at         INTEGER NOT NULL,
  ended_at           INTEGER NOT NULL,
  duration_s         REAL NOT NULL,
  peak_memory_mb     REAL NOT NULL,
  code               TEXT NOT NULL CHECK (json_valid(code)),
  environment        TEXT NOT NULL CHECK (json_valid(environment)),
  environment_digest TEXT NOT NULL CHECK (length(environment_digest) = 64),
  record             TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(record)),   -- what else the steps reported
  alert_id           INTEGER REFERENCES alerts (id),
  recorded_at        INTEGER NOT NULL,
  FOREIGN KEY (spec_id, model_id) REFERENCES model_specs (id, model_id)
) STRICT;
CREATE INDEX runs_of_model ON runs (model_id, id);
CREATE INDEX runs_of_snapshot ON runs (snapshot_id);

-- Files of a run beside the model: code_diff, log, trials, train, holdout …
CREATE TABLE run_artifacts (
  run_id INTEGER NOT NULL REFERENCES runs (id),
  name   TEXT NOT NULL,
  digest TEXT NOT NULL CHECK (length(digest) = 64),
  bytes  INTEGER NOT NULL CHECK (bytes >= 0),
  PRIMARY KEY (run_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE versions (
  id                  INTEGER PRIMARY KEY,
  model_id            INTEGER NOT NULL REFERENCES models (id),
  number              INTEGER NOT NULL CHECK (number >= 1),
  run_id              INTEGER NOT NULL UNIQUE REFERENCES runs (id),
  status              TEXT NOT NULL CHECK (status IN ('candidate', 'refused')),
  model_digest        TEXT NOT NULL CHECK (length(model_digest) = 64),
  model_bytes         INTEGER NOT NULL CHECK (model_bytes > 0),
  schema_digest       TEXT NOT NULL CHECK (length(schema_digest) = 64),
  profile_spec_digest TEXT NOT NULL CHECK (length(profile_spec_digest) = 64),
  reference_digest    TEXT NOT NULL CHECK (length(reference_digest) = 64),
  predictions_digest  TEXT NOT NULL CHECK (length(predictions_digest) = 64),
  created_at          INTEGER NOT NULL,
  UNIQUE (model_id, number),
  UNIQUE (id, model_id)
) STRICT;

CREATE TABLE version_metrics (
  version_id INTEGER NOT NULL REFERENCES versions (id),
  position   INTEGER NOT NULL,
  metric     TEXT NOT NULL,
  slice      TEXT NOT NULL DEFAULT '',
  value      REAL NOT NULL,
  low        REAL NOT NULL,
  high       REAL NOT NULL,
  rows       INTEGER NOT NULL CHECK (rows >= 0),
  PRIMARY KEY (version_id, metric, slice)
) STRICT, WITHOUT ROWID;

CREATE TABLE version_gates (
  version_id INTEGER NOT NULL REFERENCES versions (id),
  position   INTEGER NOT NULL,
  gate       TEXT NOT NULL,
  outcome    TEXT NOT NULL CHECK (outcome IN ('passed', 'failed', 'not comparable')),
  reason     TEXT NOT NULL,
  figures    TEXT NOT NULL CHECK (json_valid(figures)),
  bound      TEXT NOT NULL,
  PRIMARY KEY (version_id, position)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER version_with_a_failed_gate_is_refused BEFORE INSERT ON version_gates
WHEN NEW.outcome = 'failed' AND (SELECT status FROM versions WHERE id = NEW.version_id) <> 'refused'
BEGIN SELECT RAISE(ABORT, 'a version with a failed gate cannot be a candidate'); END;

CREATE TRIGGER versions_are_numbered_in_order BEFORE INSERT ON versions
WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM versions WHERE model_id = NEW.model_id)
  OR NEW.model_id <> (SELECT model_id FROM runs WHERE id = NEW.run_id)
BEGIN SELECT RAISE(ABORT, 'a version takes the next number of the model of its run'); END;

CREATE TRIGGER jobs_end_once BEFORE UPDATE ON jobs
WHEN OLD.status NOT IN ('queued', 'running') AND (NEW.status <> OLD.status OR NEW.result <> OLD.result)
BEGIN SELECT RAISE(ABORT, 'a job that has ended does not change'); END;

CREATE TRIGGER jobs_attempts_only_rise BEFORE UPDATE OF attempt ON jobs
WHEN NEW.attempt < OLD.attempt
BEGIN SELECT RAISE(ABORT, 'the attempt of a job never goes back'); END;
