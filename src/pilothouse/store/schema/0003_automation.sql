-- Jobs that wait for each other, are tried again and remember their steps; schedules that account for every nominal time;
-- triggers that say why they did not start.

ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN -100 AND 100);
ALTER TABLE jobs ADD COLUMN not_before INTEGER;
ALTER TABLE jobs ADD COLUMN deadline_at INTEGER;
ALTER TABLE jobs ADD COLUMN failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0);
ALTER TABLE jobs ADD COLUMN parent_id INTEGER REFERENCES jobs (id);
CREATE INDEX jobs_of_parent ON jobs (parent_id, id) WHERE parent_id IS NOT NULL;
DROP INDEX jobs_waiting;
CREATE INDEX jobs_waiting ON jobs (status, priority DESC, id) WHERE status IN ('queued', 'running');

-- A waiting job starts when each of these has succeeded, or ended in any way.
CREATE TABLE job_dependencies (
  job_id   INTEGER NOT NULL REFERENCES jobs (id),
  after_id INTEGER NOT NULL REFERENCES jobs (id),
  need     TEXT NOT NULL CHECK (need IN ('succeeded', 'ended')),
  PRIMARY KEY (job_id, after_id),
  CHECK (after_id <> job_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_dependencies_of ON job_dependencies (after_id);

-- What a step made of the inputs that its key covers. The bytes lie in the artifact store, or with the job while it goes on.
CREATE TABLE step_results (
  id          INTEGER PRIMARY KEY,
  key         TEXT NOT NULL CHECK (length(key) = 64),
  job_id      INTEGER NOT NULL REFERENCES jobs (id),
  attempt     INTEGER NOT NULL,
  step        TEXT NOT NULL,
  record      TEXT NOT NULL CHECK (json_valid(record)),
  outputs     TEXT NOT NULL CHECK (json_valid(outputs)),   -- name to {digest, file}
  recorded_at INTEGER NOT NULL,
  UNIQUE (key, job_id)
) STRICT;

ALTER TABLE schedules ADD COLUMN once_at INTEGER;
ALTER TABLE schedules ADD COLUMN jitter_s INTEGER NOT NULL DEFAULT 0 CHECK (jitter_s >= 0);
ALTER TABLE schedules ADD COLUMN catch_up TEXT NOT NULL DEFAULT 'once' CHECK (catch_up IN ('all', 'once', 'skip'));

-- Each nominal time is decided once: run (its outcome follows in schedule_outcomes), merged into a later one, or skipped.
ALTER TABLE schedule_fires ADD COLUMN decision TEXT NOT NULL DEFAULT 'past' CHECK (decision IN ('past', 'run', 'merged', 'skipped'));
ALTER TABLE schedule_fires ADD COLUMN merged_into INTEGER CHECK ((merged_into IS NOT NULL) = (decision = 'merged'));

CREATE TABLE schedule_outcomes (
  fire_id     INTEGER PRIMARY KEY REFERENCES schedule_fires (id),
  outcome     TEXT NOT NULL CHECK (outcome <> ''),
  recorded_at INTEGER NOT NULL
) STRICT;

-- Runs that are decided and have no outcome yet: what a daemon has to do, and the next one where it ended before.
CREATE TABLE schedule_open_runs (
  fire_id INTEGER PRIMARY KEY REFERENCES schedule_fires (id)
) STRICT;

-- How far a trigger has looked, so that what it has seen starts nothing twice.
CREATE TABLE trigger_cursors (
  model_id    INTEGER NOT NULL REFERENCES models (id),
  trigger     TEXT NOT NULL,
  cursor      TEXT NOT NULL CHECK (json_valid(cursor)),
  recorded_at INTEGER NOT NULL,
  PRIMARY KEY (model_id, trigger)
) STRICT, WITHOUT ROWID;

-- What set a trigger off, one row a key: the job that it started, or why none has started (yet).
CREATE TABLE trigger_events (
  id          INTEGER PRIMARY KEY,
  model_id    INTEGER NOT NULL REFERENCES models (id),
  trigger     TEXT NOT NULL,
  key         TEXT NOT NULL,
  what        TEXT NOT NULL CHECK (what <> ''),
  status      TEXT NOT NULL CHECK (status IN ('waiting', 'started', 'superseded')),
  reason      TEXT NOT NULL,
  job_id      INTEGER REFERENCES jobs (id),
  seen_at     INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  UNIQUE (model_id, trigger, key),
  CHECK ((status = 'started') = (job_id IS NOT NULL))
) STRICT;
