-- Commands that change access or rules, proposed by one person to be run by another where dual control is on.
CREATE TABLE proposals (
  id              INTEGER PRIMARY KEY,
  words           TEXT NOT NULL CHECK (json_valid(words)),
  files           TEXT CHECK (length(files) = 64),
  proposed_by     TEXT NOT NULL CHECK (proposed_by <> ''),
  reason          TEXT NOT NULL CHECK (trim(reason) <> ''),
  recorded_at     INTEGER NOT NULL,
  expires_at      INTEGER NOT NULL CHECK (expires_at > recorded_at),
  status          TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'accepted', 'rejected', 'withdrawn')),
  decided_by      TEXT,
  decided_at      INTEGER,
  decision_reason TEXT,
  CHECK ((status = 'open') = (decided_by IS NULL)),
  CHECK ((decided_by IS NULL) = (decided_at IS NULL)),
  CHECK (status <> 'accepted' OR decided_by <> proposed_by)
) STRICT;

CREATE TRIGGER proposals_end_once BEFORE UPDATE ON proposals
WHEN OLD.status <> 'open' OR NEW.status = 'open' OR OLD.id <> NEW.id OR OLD.words <> NEW.words OR OLD.files IS NOT NEW.files
  OR OLD.proposed_by <> NEW.proposed_by OR OLD.reason <> NEW.reason OR OLD.recorded_at <> NEW.recorded_at
  OR OLD.expires_at <> NEW.expires_at
BEGIN SELECT RAISE(ABORT, 'a proposal never changes; it is decided once'); END;
