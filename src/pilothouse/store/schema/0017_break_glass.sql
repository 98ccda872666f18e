-- Deployments that one person made without the approvals that the policy asks for. Each is taken back when its time ends,
-- unless two others have said that it stays; it is an open item until two others have looked at it.
CREATE TABLE broken_glass (
  id             INTEGER PRIMARY KEY,
  model_id       INTEGER NOT NULL REFERENCES models (id),
  request_id     INTEGER NOT NULL UNIQUE REFERENCES promotion_requests (id),
  actor          TEXT NOT NULL CHECK (actor <> ''),
  reason         TEXT NOT NULL CHECK (trim(reason) <> ''),
  recorded_at    INTEGER NOT NULL,
  expires_at     INTEGER NOT NULL CHECK (expires_at > recorded_at),
  taken_back_at  INTEGER,
  taken_back_by  TEXT,
  taken_back_why TEXT,
  closed_at      INTEGER,
  CHECK ((taken_back_at IS NULL) = (taken_back_by IS NULL)),
  CHECK ((taken_back_at IS NULL) = (taken_back_why IS NULL))
) STRICT;
CREATE INDEX broken_glass_open ON broken_glass (id) WHERE closed_at IS NULL;

CREATE TRIGGER broken_glass_ends_once BEFORE UPDATE ON broken_glass
WHEN OLD.id <> NEW.id OR OLD.model_id <> NEW.model_id OR OLD.request_id <> NEW.request_id OR OLD.actor <> NEW.actor
  OR OLD.reason <> NEW.reason OR OLD.recorded_at <> NEW.recorded_at OR OLD.expires_at <> NEW.expires_at
  OR (OLD.taken_back_at IS NOT NULL AND (OLD.taken_back_at IS NOT NEW.taken_back_at
      OR OLD.taken_back_by IS NOT NEW.taken_back_by OR OLD.taken_back_why IS NOT NEW.taken_back_why))
  OR (OLD.closed_at IS NOT NULL AND OLD.closed_at IS NOT NEW.closed_at)
BEGIN SELECT RAISE(ABORT, 'a deployment by breaking the glass is taken back once and closed once'); END;

CREATE TRIGGER broken_glass_is_closed_by_two BEFORE UPDATE ON broken_glass
WHEN OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL
  AND (SELECT count(DISTINCT actor) FROM broken_glass_reviews WHERE broken_glass_id = NEW.id) < 2
BEGIN SELECT RAISE(ABORT, 'breaking the glass is closed by two others'); END;

CREATE TABLE broken_glass_reviews (
  id              INTEGER PRIMARY KEY,
  broken_glass_id INTEGER NOT NULL REFERENCES broken_glass (id),
  actor           TEXT NOT NULL CHECK (actor <> ''),
  verdict         TEXT NOT NULL CHECK (verdict IN ('keep', 'take back')),
  reason          TEXT NOT NULL CHECK (trim(reason) <> ''),
  recorded_at     INTEGER NOT NULL,
  UNIQUE (broken_glass_id, actor)
) STRICT;

CREATE TRIGGER broken_glass_is_reviewed_by_others BEFORE INSERT ON broken_glass_reviews
WHEN EXISTS (SELECT 1 FROM broken_glass g WHERE g.id = NEW.broken_glass_id
             AND (g.actor = NEW.actor OR g.closed_at IS NOT NULL))
BEGIN SELECT RAISE(ABORT, 'breaking the glass is reviewed by others, while it is open'); END;
