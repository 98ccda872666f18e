-- Stops on the deletion of predictions. The rows themselves are in telemetry.db.

CREATE TABLE legal_holds (
  id          INTEGER PRIMARY KEY,
  model       TEXT NOT NULL,      -- empty: every model
  target      TEXT NOT NULL,      -- empty: every target
  reason      TEXT NOT NULL CHECK (reason <> ''),
  placed_by   TEXT NOT NULL,
  placed_at   INTEGER NOT NULL,
  lifted_by   TEXT,
  lifted_at   INTEGER,
  lift_reason TEXT,
  CHECK ((lifted_at IS NULL) = (lifted_by IS NULL) AND (lifted_at IS NULL) = (lift_reason IS NULL))
) STRICT;

CREATE TRIGGER legal_holds_are_lifted_once BEFORE UPDATE ON legal_holds
WHEN OLD.lifted_at IS NOT NULL OR OLD.id <> NEW.id OR OLD.model <> NEW.model OR OLD.target <> NEW.target
  OR OLD.reason <> NEW.reason OR OLD.placed_by <> NEW.placed_by OR OLD.placed_at <> NEW.placed_at
BEGIN SELECT RAISE(ABORT, 'a legal hold is lifted once, and never changed'); END;
