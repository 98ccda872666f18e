-- Plans as they were applied. The newest row of a name counts; one without a plan takes the name away.
CREATE TABLE plans (
  id          INTEGER PRIMARY KEY,
  name        TEXT NOT NULL CHECK (name <> ''),
  plan        TEXT CHECK (plan IS NULL OR json_valid(plan)),
  digest      TEXT CHECK (digest IS NULL OR length(digest) = 64),
  applied_by  TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  CHECK ((plan IS NULL) = (digest IS NULL))
) STRICT;
CREATE INDEX plans_of_name ON plans (name, id);

-- Plan that the workspace asks of every model; empty: none.
ALTER TABLE workspace_policies ADD COLUMN plan TEXT NOT NULL DEFAULT '';

-- Roll-out of a request's version over its targets, by the plan that its evidence holds.
CREATE TABLE rollouts (
  id            INTEGER PRIMARY KEY,
  request_id    INTEGER NOT NULL UNIQUE,
  model_id      INTEGER NOT NULL,
  version_id    INTEGER NOT NULL,
  kind          TEXT NOT NULL CHECK (kind IN ('promotion', 'automatic')),
  plan          TEXT NOT NULL CHECK (json_valid(plan)),
  plan_digest   TEXT NOT NULL CHECK (length(plan_digest) = 64),
  salt          TEXT NOT NULL CHECK (length(salt) = 32),
  state         TEXT NOT NULL DEFAULT 'running' CHECK (state IN
                  ('running', 'paused', 'completed', 'aborted', 'rolled back', 'superseded')),
  wave          INTEGER NOT NULL CHECK (wave >= 0),
  step          INTEGER NOT NULL DEFAULT 0 CHECK (step >= 0),
  entered_at    INTEGER,
  patience_from INTEGER,
  released_by   TEXT NOT NULL DEFAULT '',
  why           TEXT NOT NULL DEFAULT '',
  made_by       TEXT NOT NULL CHECK (made_by <> ''),
  recorded_at   INTEGER NOT NULL,
  ended_at      INTEGER,
  ended_by      TEXT,
  superseded_by INTEGER REFERENCES promotion_requests (id),
  FOREIGN KEY (request_id, model_id) REFERENCES promotion_requests (id, model_id),
  FOREIGN KEY (version_id, model_id) REFERENCES versions (id, model_id),
  UNIQUE (id, model_id),
  CHECK ((state IN ('running', 'paused')) = (ended_at IS NULL)),
  CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
  CHECK ((state = 'superseded') = (superseded_by IS NOT NULL)),
  CHECK (state = 'running' OR state = 'completed' OR trim(why) <> '')
) STRICT;
CREATE INDEX rollouts_unfinished ON rollouts (id) WHERE ended_at IS NULL;
CREATE INDEX rollouts_of_model ON rollouts (model_id, id);
CREATE INDEX rollouts_of_version ON rollouts (version_id, state);

CREATE TRIGGER rollouts_end_once BEFORE UPDATE ON rollouts
WHEN OLD.ended_at IS NOT NULL OR OLD.id <> NEW.id OR OLD.request_id <> NEW.request_id OR OLD.model_id <> NEW.model_id
  OR OLD.version_id <> NEW.version_id OR OLD.kind <> NEW.kind OR OLD.plan <> NEW.plan OR OLD.plan_digest <> NEW.plan_digest
  OR OLD.salt <> NEW.salt OR OLD.made_by <> NEW.made_by OR OLD.recorded_at <> NEW.recorded_at
BEGIN SELECT RAISE(ABORT, 'the plan of a roll-out is frozen, and it ends once'); END;

CREATE TRIGGER rollouts_never_step_back BEFORE UPDATE ON rollouts
WHEN NEW.wave < OLD.wave OR (NEW.wave = OLD.wave AND NEW.step < OLD.step)
BEGIN SELECT RAISE(ABORT, 'a roll-out goes on by its plan or ends; it takes no step twice'); END;

CREATE TRIGGER rollouts_follow_a_decision BEFORE INSERT ON rollouts
WHEN NOT EXISTS (SELECT 1 FROM promotion_requests r WHERE r.id = NEW.request_id AND r.status = 'approved'
                 AND r.version_id = NEW.version_id AND json_extract(r.evidence, '$.plan.digest') = NEW.plan_digest)
BEGIN SELECT RAISE(ABORT, 'a roll-out is of an approved request, by the plan that its evidence shows'); END;

CREATE TABLE rollout_targets (
  rollout_id    INTEGER NOT NULL,
  model_id      INTEGER NOT NULL,
  target_id     INTEGER NOT NULL REFERENCES targets (id),
  wave          INTEGER NOT NULL CHECK (wave >= 0),
  state         TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN
                  ('waiting', 'shadow', 'canary', 'live', 'back', 'passed over')),
  before_id     INTEGER REFERENCES versions (id),
  share         REAL CHECK (share > 0 AND share < 1),
  entered_at    INTEGER,
  entered_clock INTEGER,
  open          INTEGER NOT NULL DEFAULT 1 CHECK (open IN (0, 1)),
  PRIMARY KEY (rollout_id, target_id),
  FOREIGN KEY (rollout_id, model_id) REFERENCES rollouts (id, model_id),
  CHECK ((share IS NOT NULL) = (state = 'canary'))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX one_unfinished_rollout_per_model_and_target ON rollout_targets (model_id, target_id) WHERE open = 1;
CREATE INDEX rollout_trials ON rollout_targets (target_id) WHERE open = 1 AND state IN ('shadow', 'canary');

CREATE TRIGGER rollout_targets_follow AFTER UPDATE OF state ON rollouts WHEN NEW.ended_at IS NOT NULL
BEGIN UPDATE rollout_targets SET open = 0 WHERE rollout_id = NEW.id; END;

CREATE TRIGGER rollout_targets_frozen BEFORE UPDATE ON rollout_targets
WHEN OLD.open = 0 OR OLD.rollout_id <> NEW.rollout_id OR OLD.target_id <> NEW.target_id OR OLD.wave <> NEW.wave
  OR OLD.before_id IS NOT NEW.before_id
  OR (NEW.open = 0) <> (SELECT ended_at IS NOT NULL FROM rollouts WHERE id = OLD.rollout_id)
BEGIN SELECT RAISE(ABORT, 'the targets of a roll-out are frozen, and those of one that has ended stay as they are'); END;

CREATE TABLE rollout_events (
  id          INTEGER PRIMARY KEY,
  rollout_id  INTEGER NOT NULL REFERENCES rollouts (id),
  what        TEXT NOT NULL CHECK (what <> ''),
  actor       TEXT NOT NULL CHECK (actor <> ''),
  recorded_at INTEGER NOT NULL,
  wave        INTEGER NOT NULL,
  step        INTEGER NOT NULL,
  text        TEXT NOT NULL,
  figures     TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(figures))
) STRICT;
CREATE INDEX rollout_events_of ON rollout_events (rollout_id, id);

-- Sufficient statistics of the tests of a step, with how far telemetry was folded into them: both follow from telemetry.
CREATE TABLE rollout_evidence (
  rollout_id INTEGER NOT NULL REFERENCES rollouts (id),
  wave       INTEGER NOT NULL,
  step       INTEGER NOT NULL,
  target_id  INTEGER NOT NULL REFERENCES targets (id),
  test       TEXT NOT NULL CHECK (test <> ''),
  statistics TEXT NOT NULL CHECK (json_valid(statistics)),
  watermark  TEXT NOT NULL CHECK (json_valid(watermark)),
  folded_at  INTEGER NOT NULL,
  PRIMARY KEY (rollout_id, wave, step, target_id, test)
) STRICT, WITHOUT ROWID;
