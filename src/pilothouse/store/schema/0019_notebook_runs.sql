-- Notebook runs: what programs of people record about work of their own. They decide nothing, and no version refers to one.
CREATE TABLE notebook_runs (
  id          INTEGER PRIMARY KEY,
  model_id    INTEGER NOT NULL REFERENCES models (id),
  name        TEXT NOT NULL,
  started_by  TEXT NOT NULL CHECK (started_by <> ''),
  process     TEXT NOT NULL CHECK (json_valid(process)),
  environment TEXT NOT NULL CHECK (json_valid(environment)),
  recorded_at INTEGER NOT NULL,
  status      TEXT NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'done', 'failed')),
  ended_at    INTEGER CHECK ((ended_at IS NULL) = (status = 'running')),
  error       TEXT NOT NULL DEFAULT '',
  entries     INTEGER NOT NULL DEFAULT 0,
  digest      TEXT NOT NULL DEFAULT '' CHECK (digest = '' OR length(digest) = 64),
  newest      TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(newest))
) STRICT;
CREATE INDEX notebook_runs_of ON notebook_runs (model_id, id);
CREATE INDEX notebook_runs_running ON notebook_runs (process) WHERE status = 'running';

CREATE TABLE notebook_run_entries (
  run_id      INTEGER NOT NULL REFERENCES notebook_runs (id),
  sequence    INTEGER NOT NULL CHECK (sequence > 0),
  kind        TEXT NOT NULL CHECK (kind IN ('parameters', 'metrics', 'tags', 'artifact', 'data', 'code')),
  body        TEXT NOT NULL CHECK (json_valid(body)),
  recorded_at INTEGER NOT NULL,
  PRIMARY KEY (run_id, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX notebook_run_facts ON notebook_run_entries (run_id, kind, sequence) WHERE kind <> 'metrics';

CREATE TRIGGER notebook_runs_end_once BEFORE UPDATE ON notebook_runs
WHEN OLD.status <> 'running' OR NEW.status = 'running'
  OR (OLD.id, OLD.model_id, OLD.name, OLD.started_by, OLD.process, OLD.environment, OLD.recorded_at)
     IS NOT (NEW.id, NEW.model_id, NEW.name, NEW.started_by, NEW.process, NEW.environment, NEW.recorded_at)
BEGIN SELECT RAISE(ABORT, 'a notebook run ends once, and nothing else of it changes'); END;

CREATE TRIGGER notebook_runs_take_entries_until_they_end BEFORE INSERT ON notebook_run_entries
WHEN NOT EXISTS (SELECT 1 FROM notebook_runs r WHERE r.id = NEW.run_id AND r.status = 'running')
BEGIN SELECT RAISE(ABORT, 'a notebook run takes entries until it has ended'); END;
