-- Who may do what, the workspace's rules, and the log of every change.

CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

CREATE TABLE grants (
  id          INTEGER PRIMARY KEY,
  actor       TEXT NOT NULL CHECK (actor <> '' AND actor <> 'daemon'),
  role        TEXT NOT NULL CHECK (role IN ('viewer', 'auditor', 'data-scientist', 'operator', 'approver', 'admin')),
  model       TEXT NOT NULL DEFAULT '',
  granted_by  TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  revoked_at  INTEGER,
  revoked_by  TEXT,
  CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
) STRICT;
CREATE UNIQUE INDEX grants_in_force ON grants (actor, role, model) WHERE revoked_at IS NULL;

-- The newest row is in force.
CREATE TABLE workspace_policies (
  id              INTEGER PRIMARY KEY,
  approvals       INTEGER NOT NULL CHECK (approvals BETWEEN 0 AND 100),
  four_eyes       INTEGER NOT NULL CHECK (four_eyes IN (0, 1)),
  allow_automatic INTEGER NOT NULL CHECK (allow_automatic IN (0, 1)),
  set_by          TEXT NOT NULL,
  recorded_at     INTEGER NOT NULL
) STRICT;

-- The newest row says whether automation is paused.
CREATE TABLE automation_changes (
  id          INTEGER PRIMARY KEY,
  paused      INTEGER NOT NULL CHECK (paused IN (0, 1)),
  reason      TEXT NOT NULL,
  actor       TEXT NOT NULL,
  recorded_at INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
  seq         INTEGER PRIMARY KEY CHECK (seq > 0),
  recorded_at INTEGER NOT NULL,
  actor       TEXT NOT NULL,
  action      TEXT NOT NULL,
  subject     TEXT NOT NULL,
  detail      TEXT NOT NULL CHECK (json_valid(detail)),
  previous    TEXT NOT NULL CHECK (length(previous) = 64),
  hash        TEXT NOT NULL UNIQUE CHECK (length(hash) = 64)
) STRICT;

CREATE TRIGGER audit_is_a_chain BEFORE INSERT ON audit
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM audit)
  OR NEW.previous <> coalesce((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), printf('%064d', 0))
BEGIN SELECT RAISE(ABORT, 'audit rows are only added at the end of the chain'); END;

CREATE TRIGGER grants_end_once BEFORE UPDATE ON grants
WHEN OLD.revoked_at IS NOT NULL
  OR OLD.id <> NEW.id OR OLD.actor <> NEW.actor OR OLD.role <> NEW.role OR OLD.model <> NEW.model
  OR OLD.granted_by <> NEW.granted_by OR OLD.recorded_at <> NEW.recorded_at
BEGIN SELECT RAISE(ABORT, 'a grant never changes; it is revoked once'); END;
