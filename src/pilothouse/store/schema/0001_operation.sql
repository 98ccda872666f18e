-- Promotion, deployment, alerts, schedules and the processes that run.

CREATE TABLE promotion_requests (
  id              INTEGER PRIMARY KEY,
  model_id        INTEGER NOT NULL REFERENCES models (id),
  version_id      INTEGER NOT NULL,
  status          TEXT NOT NULL DEFAULT 'open' CHECK (status IN
                    ('open', 'deployed', 'rejected', 'withdrawn', 'superseded', 'expired')),
  requested_by    TEXT NOT NULL,
  trained_by      TEXT NOT NULL,
  reason          TEXT NOT NULL,
  recorded_at     INTEGER NOT NULL,
  expires_at      INTEGER NOT NULL CHECK (expires_at > recorded_at),
  closed_at       INTEGER,
  closed_by       TEXT,
  superseded_by   INTEGER REFERENCES promotion_requests (id),
  policy          TEXT NOT NULL CHECK (json_valid(policy)),
  policy_digest   TEXT NOT NULL CHECK (length(policy_digest) = 64),
  evidence        TEXT NOT NULL CHECK (json_valid(evidence)),
  evidence_digest TEXT NOT NULL CHECK (length(evidence_digest) = 64),
  FOREIGN KEY (version_id, model_id) REFERENCES versions (id, model_id),
  UNIQUE (id, model_id),
  CHECK ((status = 'open') = (closed_at IS NULL))
) STRICT;
CREATE INDEX promotion_requests_by_status ON promotion_requests (status, id);
CREATE INDEX promotion_requests_of_version ON promotion_requests (version_id);

CREATE TRIGGER refused_versions_are_not_requested BEFORE INSERT ON promotion_requests
WHEN (SELECT status FROM versions WHERE id = NEW.version_id) <> 'candidate'
BEGIN SELECT RAISE(ABORT, 'a version that failed a gate cannot be requested'); END;

CREATE TABLE request_targets (
  request_id INTEGER NOT NULL,
  model_id   INTEGER NOT NULL,
  target_id  INTEGER NOT NULL REFERENCES targets (id),
  open       INTEGER NOT NULL DEFAULT 1 CHECK (open IN (0, 1)),
  PRIMARY KEY (request_id, target_id),
  FOREIGN KEY (request_id, model_id) REFERENCES promotion_requests (id, model_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX one_open_request_per_model_and_target ON request_targets (model_id, target_id) WHERE open = 1;

CREATE TRIGGER requests_close_once BEFORE UPDATE ON promotion_requests
WHEN OLD.status <> 'open' OR NEW.status = 'open'
  OR OLD.id <> NEW.id OR OLD.model_id <> NEW.model_id OR OLD.version_id <> NEW.version_id
  OR OLD.requested_by <> NEW.requested_by OR OLD.trained_by <> NEW.trained_by OR OLD.reason <> NEW.reason
  OR OLD.recorded_at <> NEW.recorded_at OR OLD.expires_at <> NEW.expires_at
  OR OLD.policy <> NEW.policy OR OLD.policy_digest <> NEW.policy_digest
  OR OLD.evidence <> NEW.evidence OR OLD.evidence_digest <> NEW.evidence_digest
BEGIN SELECT RAISE(ABORT, 'a promotion request is frozen; it is closed once'); END;

CREATE TRIGGER request_targets_follow AFTER UPDATE OF status ON promotion_requests
BEGIN UPDATE request_targets SET open = 0 WHERE request_id = NEW.id; END;

CREATE TRIGGER request_targets_frozen BEFORE UPDATE ON request_targets
WHEN OLD.open = 0 OR NEW.open <> 0 OR OLD.request_id <> NEW.request_id OR OLD.target_id <> NEW.target_id
  OR (SELECT status FROM promotion_requests WHERE id = OLD.request_id) = 'open'
BEGIN SELECT RAISE(ABORT, 'the targets of a promotion request are frozen'); END;

CREATE TABLE decisions (
  id              INTEGER PRIMARY KEY,
  request_id      INTEGER NOT NULL REFERENCES promotion_requests (id),
  actor           TEXT NOT NULL CHECK (actor <> ''),
  verdict         TEXT NOT NULL CHECK (verdict IN ('approve', 'reject')),
  reason          TEXT NOT NULL,
  evidence_digest TEXT NOT NULL,
  policy_digest   TEXT NOT NULL,
  recorded_at     INTEGER NOT NULL,
  UNIQUE (request_id, actor),
  CHECK (verdict = 'approve' OR trim(reason) <> '')
) STRICT;

CREATE TRIGGER decisions_bind_to_what_was_shown BEFORE INSERT ON decisions
WHEN NOT EXISTS (SELECT 1 FROM promotion_requests r WHERE r.id = NEW.request_id AND r.status = 'open'
                 AND r.evidence_digest = NEW.evidence_digest AND r.policy_digest = NEW.policy_digest)
BEGIN SELECT RAISE(ABORT, 'a decision binds to the evidence and the policy of an open request'); END;

CREATE TABLE comments (
  id          INTEGER PRIMARY KEY,
  request_id  INTEGER NOT NULL REFERENCES promotion_requests (id),
  actor       TEXT NOT NULL,
  text        TEXT NOT NULL CHECK (trim(text) <> ''),
  recorded_at INTEGER NOT NULL
) STRICT;
CREATE INDEX comments_of_request ON comments (request_id, id);

CREATE TABLE deployments (
  id                 INTEGER PRIMARY KEY,
  model_id           INTEGER NOT NULL REFERENCES models (id),
  version_id         INTEGER NOT NULL,
  target_id          INTEGER NOT NULL REFERENCES targets (id),
  kind               TEXT NOT NULL CHECK (kind IN ('promotion', 'automatic', 'rollback')),
  actor              TEXT NOT NULL,
  reason             TEXT NOT NULL,
  request_id         INTEGER REFERENCES promotion_requests (id),
  recorded_at        INTEGER NOT NULL,
  effective_at       INTEGER NOT NULL,
  ended_at           INTEGER,
  ended_effective_at INTEGER,
  FOREIGN KEY (version_id, model_id) REFERENCES versions (id, model_id),
  CHECK ((ended_at IS NULL) = (ended_effective_at IS NULL)),
  CHECK ((kind = 'rollback') = (request_id IS NULL)),
  CHECK (kind <> 'rollback' OR trim(reason) <> '')
) STRICT;
CREATE UNIQUE INDEX one_live_version_per_model_and_target ON deployments (model_id, target_id) WHERE ended_at IS NULL;
CREATE INDEX deployments_of_target ON deployments (target_id, recorded_at);
CREATE INDEX deployments_of_version ON deployments (version_id);

CREATE TRIGGER refused_versions_are_not_deployed BEFORE INSERT ON deployments
WHEN (SELECT status FROM versions WHERE id = NEW.version_id) <> 'candidate'
BEGIN SELECT RAISE(ABORT, 'a version that failed a gate cannot be deployed'); END;

CREATE TRIGGER deployments_end_once BEFORE UPDATE ON deployments
WHEN OLD.ended_at IS NOT NULL OR NEW.ended_at IS NULL
  OR OLD.id <> NEW.id OR OLD.model_id <> NEW.model_id OR OLD.version_id <> NEW.version_id
  OR OLD.target_id <> NEW.target_id OR OLD.kind <> NEW.kind OR OLD.actor <> NEW.actor OR OLD.reason <> NEW.reason
  OR OLD.request_id IS NOT NEW.request_id OR OLD.recorded_at <> NEW.recorded_at
  OR OLD.effective_at <> NEW.effective_at
BEGIN SELECT RAISE(ABORT, 'a deployment never changes; it ends once'); END;

-- @champion, @challenger and the like. The history of an alias is in the audit log.
CREATE TABLE aliases (
  model_id    INTEGER NOT NULL REFERENCES models (id),
  alias       TEXT NOT NULL CHECK (alias <> ''),
  version_id  INTEGER NOT NULL,
  set_by      TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  PRIMARY KEY (model_id, alias),
  FOREIGN KEY (version_id, model_id) REFERENCES versions (id, model_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE holds (
  id          INTEGER PRIMARY KEY,
  model_id    INTEGER NOT NULL REFERENCES models (id),
  reason      TEXT NOT NULL CHECK (trim(reason) <> ''),
  set_by      TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  lifted_at   INTEGER,
  lifted_by   TEXT,
  lift_reason TEXT NOT NULL DEFAULT '',
  CHECK ((lifted_at IS NULL) = (lifted_by IS NULL))
) STRICT;
CREATE UNIQUE INDEX one_hold_per_model ON holds (model_id) WHERE lifted_at IS NULL;

CREATE TABLE alerts (
  id           INTEGER PRIMARY KEY,
  model_id     INTEGER NOT NULL REFERENCES models (id),
  version_id   INTEGER NOT NULL,
  target_id    INTEGER NOT NULL REFERENCES targets (id),
  kind         TEXT NOT NULL CHECK (kind IN
                 ('data_drift', 'score_drift', 'performance', 'latency', 'data_quality', 'errors', 'silence')),
  subject      TEXT NOT NULL,
  severity     TEXT NOT NULL CHECK (severity IN ('warning', 'critical')),
  status       TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'acknowledged', 'resolved')),
  effective_at INTEGER NOT NULL,
  recorded_at  INTEGER NOT NULL,
  summary      TEXT NOT NULL,
  explanation  TEXT NOT NULL,
  figures      TEXT NOT NULL CHECK (json_valid(figures)),
  handled_by   TEXT NOT NULL DEFAULT '',
  handled_at   INTEGER,
  note         TEXT NOT NULL DEFAULT '',
  resolved_at  INTEGER,
  retrain_job  INTEGER REFERENCES jobs (id),
  FOREIGN KEY (version_id, model_id) REFERENCES versions (id, model_id),
  CHECK ((status = 'resolved') = (resolved_at IS NOT NULL)),
  -- The same finding of the same window is one alert, however often the windows are judged again.
  UNIQUE (model_id, version_id, target_id, kind, subject, effective_at)
) STRICT;
CREATE UNIQUE INDEX one_unresolved_alert_per_finding ON alerts (model_id, version_id, target_id, kind, subject)
  WHERE status <> 'resolved';
CREATE INDEX alerts_by_status ON alerts (status, id);

CREATE TABLE schedules (
  id          INTEGER PRIMARY KEY,
  model_id    INTEGER NOT NULL REFERENCES models (id),
  name        TEXT NOT NULL CHECK (name <> ''),
  action      TEXT NOT NULL CHECK (action IN ('train', 'monitor', 'backup')),
  cron        TEXT,
  every_s     INTEGER CHECK (every_s >= 60),
  timezone    TEXT NOT NULL,
  active      INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),   -- 0: no longer in the model file
  paused      INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
  recorded_at INTEGER NOT NULL,
  UNIQUE (model_id, name),
  CHECK ((cron IS NULL) <> (every_s IS NULL))
) STRICT;

CREATE TABLE schedule_fires (
  id          INTEGER PRIMARY KEY,
  schedule_id INTEGER NOT NULL REFERENCES schedules (id),
  nominal_at  INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  outcome     TEXT NOT NULL CHECK (outcome <> ''),
  UNIQUE (schedule_id, nominal_at)
) STRICT;

-- The daemon and the serving processes, as they last said of themselves.
CREATE TABLE processes (
  name          TEXT PRIMARY KEY,   -- 'daemon', 'serving:TARGET'
  boot_id       TEXT NOT NULL,
  pid           INTEGER NOT NULL,
  started_ticks INTEGER NOT NULL,
  started_at    INTEGER NOT NULL,
  heartbeat_at  INTEGER NOT NULL,
  stopped_at    INTEGER,
  detail        TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(detail))
) STRICT;

CREATE TABLE serving_reports (
  target_id       INTEGER PRIMARY KEY REFERENCES targets (id),
  received_at     INTEGER NOT NULL,
  port            INTEGER NOT NULL,
  pid             INTEGER NOT NULL,
  loaded          TEXT NOT NULL CHECK (json_valid(loaded)),
  failed          TEXT NOT NULL CHECK (json_valid(failed)),
  spooled_batches INTEGER NOT NULL
) STRICT;

-- The p95 of one row, measured where the version is served when it was loaded first.
CREATE TABLE latency_baselines (
  version_id  INTEGER NOT NULL REFERENCES versions (id),
  target_id   INTEGER NOT NULL REFERENCES targets (id),
  p95_us      INTEGER NOT NULL CHECK (p95_us >= 0),
  recorded_at INTEGER NOT NULL,
  PRIMARY KEY (version_id, target_id)
) STRICT, WITHOUT ROWID;
