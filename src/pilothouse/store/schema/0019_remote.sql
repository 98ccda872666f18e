-- Targets that the daemon starts no process for: remote ones, and those that a command of the user's brings versions to.
CREATE TABLE target_places (
  target_id INTEGER PRIMARY KEY REFERENCES targets (id),
  place     TEXT NOT NULL CHECK (place IN ('remote', 'command')),
  deployer  TEXT NOT NULL DEFAULT '' CHECK (deployer = '' OR json_valid(deployer)),
  CHECK ((place = 'command') = (deployer <> ''))
) STRICT;

-- Where the hub listens for other machines: one row, or none.
CREATE TABLE hub_door (
  id              INTEGER PRIMARY KEY CHECK (id = 1),
  listen          TEXT NOT NULL CHECK (listen <> ''),
  tls_certificate TEXT NOT NULL CHECK (tls_certificate <> ''),
  tls_key         TEXT NOT NULL CHECK (tls_key <> '')
) STRICT;

-- Tokens with which serving processes of other machines come: several may be in force, so that one takes the place of another.
CREATE TABLE remote_tokens (
  id          INTEGER PRIMARY KEY,
  target_id   INTEGER NOT NULL REFERENCES targets (id),
  digest      TEXT NOT NULL UNIQUE CHECK (length(digest) = 64),
  issued_by   TEXT NOT NULL CHECK (issued_by <> ''),
  recorded_at INTEGER NOT NULL,
  ends_at     INTEGER NOT NULL,
  revoked_at  INTEGER,
  revoked_by  TEXT,
  CHECK (ends_at > recorded_at),
  CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
) STRICT;
CREATE INDEX remote_tokens_of_target ON remote_tokens (target_id, id);

CREATE TRIGGER remote_tokens_are_revoked_once BEFORE UPDATE ON remote_tokens
WHEN OLD.revoked_at IS NOT NULL OR OLD.id <> NEW.id OR OLD.target_id <> NEW.target_id OR OLD.digest <> NEW.digest
  OR OLD.issued_by <> NEW.issued_by OR OLD.recorded_at <> NEW.recorded_at OR OLD.ends_at <> NEW.ends_at
BEGIN SELECT RAISE(ABORT, 'a token is revoked once, and nothing else of it changes'); END;

-- Clocks of serving processes on other machines against the hub's, as they last measured them.
CREATE TABLE target_clocks (
  target_id   INTEGER PRIMARY KEY REFERENCES targets (id),
  skew_us     INTEGER NOT NULL,
  bound_us    INTEGER NOT NULL CHECK (bound_us >= 0),
  measured_at INTEGER NOT NULL
) STRICT;

-- Where a target runs another version than it should. Both follow from deployments and reports; only "since" is new.
CREATE TABLE target_differences (
  target_id INTEGER NOT NULL REFERENCES targets (id),
  model_id  INTEGER NOT NULL REFERENCES models (id),
  desired   INTEGER,
  actual    INTEGER,
  why       TEXT NOT NULL DEFAULT '',
  since     INTEGER NOT NULL,
  PRIMARY KEY (target_id, model_id),
  CHECK (desired IS NOT actual)
) STRICT, WITHOUT ROWID;

-- How far the command of a target is with a model: what it was last asked for, and what came of it.
CREATE TABLE deployer_states (
  target_id INTEGER NOT NULL REFERENCES targets (id),
  model_id  INTEGER NOT NULL REFERENCES models (id),
  wanted    TEXT NOT NULL CHECK (json_valid(wanted)),
  action    TEXT NOT NULL CHECK (action IN ('deploy', 'rollback', 'probe')),
  state     TEXT NOT NULL CHECK (state IN ('running', 'deployed', 'ready', 'failed')),
  attempts  INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  message   TEXT NOT NULL DEFAULT '',
  process   TEXT NOT NULL DEFAULT '' CHECK (process = '' OR json_valid(process)),
  began_at  INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (target_id, model_id)
) STRICT, WITHOUT ROWID;
