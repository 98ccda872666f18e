-- Users: people who come with a key of their own, and the keys that are bound to their names.

-- A user who is disabled is no user from that time on. One who comes back is another row of the same name.
CREATE TABLE users (
  id           INTEGER PRIMARY KEY,
  name         TEXT NOT NULL CHECK (name <> '' AND name <> 'daemon'),
  subject      TEXT NOT NULL,              -- who they are elsewhere: an address, a number of the personnel; may be empty
  created_at   INTEGER NOT NULL,
  created_by   TEXT NOT NULL,
  disabled_at  INTEGER,
  disabled_by  TEXT,
  disabled_why TEXT CHECK (disabled_why <> ''),
  CHECK ((disabled_at IS NULL) = (disabled_by IS NULL) AND (disabled_at IS NULL) = (disabled_why IS NULL))
) STRICT;
CREATE UNIQUE INDEX users_in_force ON users (name) WHERE disabled_at IS NULL;

-- A key is in force while it is not revoked, its time is not over, and its user is in force.
CREATE TABLE user_keys (
  id           INTEGER PRIMARY KEY,
  user         TEXT NOT NULL CHECK (user <> ''),
  kind         TEXT NOT NULL CHECK (kind IN ('key', 'certificate authority')),
  key_type     TEXT NOT NULL CHECK (key_type <> ''),         -- ssh-ed25519 …
  public_key   TEXT NOT NULL CHECK (public_key <> ''),       -- the blob in base64, as in a line of authorized_keys
  fingerprint  TEXT NOT NULL CHECK (fingerprint GLOB 'SHA256:*'),
  hardware     INTEGER NOT NULL CHECK (hardware IN (0, 1)),  -- the private part is in a device: its type begins with sk-
  comment      TEXT NOT NULL,
  valid_after  INTEGER,
  valid_before INTEGER CHECK (valid_before > valid_after),
  added_at     INTEGER NOT NULL,
  added_by     TEXT NOT NULL,
  revoked_at   INTEGER,
  revoked_by   TEXT,
  revoked_why  TEXT CHECK (revoked_why <> ''),
  CHECK ((revoked_at IS NULL) = (revoked_by IS NULL) AND (revoked_at IS NULL) = (revoked_why IS NULL))
) STRICT;
CREATE UNIQUE INDEX user_keys_in_force ON user_keys (fingerprint) WHERE revoked_at IS NULL AND kind = 'key';
CREATE UNIQUE INDEX authorities_in_force ON user_keys (fingerprint, user) WHERE revoked_at IS NULL AND kind <> 'key';
CREATE INDEX user_keys_of_user ON user_keys (user, id);

CREATE TRIGGER users_end_once BEFORE UPDATE ON users
WHEN OLD.disabled_at IS NOT NULL OR OLD.id <> NEW.id OR OLD.name <> NEW.name OR OLD.subject <> NEW.subject
  OR OLD.created_at <> NEW.created_at OR OLD.created_by <> NEW.created_by
BEGIN SELECT RAISE(ABORT, 'a user never changes; it is disabled once'); END;

CREATE TRIGGER user_keys_end_once BEFORE UPDATE ON user_keys
WHEN OLD.revoked_at IS NOT NULL OR OLD.id <> NEW.id OR OLD.user <> NEW.user OR OLD.kind <> NEW.kind
  OR OLD.key_type <> NEW.key_type OR OLD.public_key <> NEW.public_key OR OLD.fingerprint <> NEW.fingerprint
  OR OLD.hardware <> NEW.hardware OR OLD.comment <> NEW.comment OR OLD.valid_after IS NOT NEW.valid_after
  OR OLD.valid_before IS NOT NEW.valid_before OR OLD.added_at <> NEW.added_at OR OLD.added_by <> NEW.added_by
BEGIN SELECT RAISE(ABORT, 'a key never changes; it is revoked once'); END;
CREATE INDEX users_of_name ON users (name, id);

-- How it was known who acted: {"kind", "fingerprint", "subject", "authority"}. NULL: of an earlier release, or of the daemon.
ALTER TABLE sessions ADD COLUMN identity TEXT CHECK (identity IS NULL OR json_valid(identity));
ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';  -- where they came from, over SSH
ALTER TABLE decisions ADD COLUMN identity TEXT CHECK (identity IS NULL OR json_valid(identity));
ALTER TABLE grants ADD COLUMN identity TEXT CHECK (identity IS NULL OR json_valid(identity));  -- of whoever granted it

-- A grant may be for some targets alone, and may deny.
ALTER TABLE grants ADD COLUMN deny INTEGER NOT NULL DEFAULT 0 CHECK (deny IN (0, 1));
ALTER TABLE grants ADD COLUMN targets TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(targets));

DROP INDEX grants_in_force;
CREATE UNIQUE INDEX grants_in_force ON grants (actor, role, model, deny, targets) WHERE revoked_at IS NULL;

DROP TRIGGER grants_end_once;
CREATE TRIGGER grants_end_once BEFORE UPDATE ON grants
WHEN OLD.revoked_at IS NOT NULL
  OR OLD.id <> NEW.id OR OLD.actor <> NEW.actor OR OLD.role <> NEW.role OR OLD.model <> NEW.model
  OR OLD.granted_by <> NEW.granted_by OR OLD.recorded_at <> NEW.recorded_at
  OR OLD.identity IS NOT NEW.identity OR OLD.deny <> NEW.deny OR OLD.targets <> NEW.targets
BEGIN SELECT RAISE(ABORT, 'a grant never changes; it is revoked once'); END;

DROP TRIGGER sessions_end_once;
CREATE TRIGGER sessions_end_once BEFORE UPDATE ON sessions
WHEN OLD.closed_at IS NOT NULL
  OR OLD.id <> NEW.id OR OLD.actor <> NEW.actor OR OLD.terminal <> NEW.terminal OR OLD.boot_id <> NEW.boot_id
  OR OLD.pid <> NEW.pid OR OLD.ticks <> NEW.ticks OR OLD.read_only <> NEW.read_only OR OLD.opened_at <> NEW.opened_at
  OR OLD.identity IS NOT NEW.identity OR OLD.address <> NEW.address
BEGIN SELECT RAISE(ABORT, 'a session never changes; it ends once'); END;
