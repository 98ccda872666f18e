-- Windows in which nothing is promoted.
CREATE TABLE freeze_windows (
  id          INTEGER PRIMARY KEY,
  name        TEXT NOT NULL CHECK (name <> ''),
  model       TEXT NOT NULL DEFAULT '',
  begins      TEXT NOT NULL CHECK (begins <> ''),
  ends        TEXT NOT NULL CHECK (ends <> ''),
  timezone    TEXT NOT NULL CHECK (timezone <> ''),
  reason      TEXT NOT NULL CHECK (trim(reason) <> ''),
  set_by      TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  lifted_at   INTEGER,
  lifted_by   TEXT,
  lift_reason TEXT,
  CHECK ((lifted_at IS NULL) = (lifted_by IS NULL)),
  CHECK ((lifted_at IS NULL) = (lift_reason IS NULL))
) STRICT;
CREATE UNIQUE INDEX freeze_windows_in_force ON freeze_windows (name) WHERE lifted_at IS NULL;

CREATE TRIGGER freeze_windows_end_once BEFORE UPDATE ON freeze_windows
WHEN OLD.lifted_at IS NOT NULL OR NEW.lifted_at IS NULL OR OLD.id <> NEW.id OR OLD.name <> NEW.name OR OLD.model <> NEW.model
  OR OLD.begins <> NEW.begins OR OLD.ends <> NEW.ends OR OLD.timezone <> NEW.timezone OR OLD.reason <> NEW.reason
  OR OLD.set_by <> NEW.set_by OR OLD.recorded_at <> NEW.recorded_at
BEGIN SELECT RAISE(ABORT, 'a freeze window never changes; it is lifted once'); END;
