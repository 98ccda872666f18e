-- Conditions on which somebody approved: open items of the deployed request until whoever is named has confirmed them.
CREATE TABLE approval_conditions (
  id           INTEGER PRIMARY KEY,
  request_id   INTEGER NOT NULL,
  approver     TEXT NOT NULL,
  text         TEXT NOT NULL CHECK (trim(text) <> ''),
  by           TEXT NOT NULL CHECK (by <> ''),   -- a person, or a role
  due          INTEGER NOT NULL CHECK (due > recorded_at),
  recorded_at  INTEGER NOT NULL,
  confirmed_by TEXT,
  confirmed_at INTEGER,
  remark       TEXT,
  UNIQUE (request_id, approver),
  FOREIGN KEY (request_id, approver) REFERENCES decisions (request_id, actor),
  CHECK ((confirmed_at IS NULL) = (confirmed_by IS NULL) AND (confirmed_at IS NULL) = (remark IS NULL))
) STRICT;
CREATE INDEX approval_conditions_open ON approval_conditions (due, id) WHERE confirmed_at IS NULL;

CREATE TRIGGER conditions_are_of_approvals BEFORE INSERT ON approval_conditions
WHEN NEW.confirmed_at IS NOT NULL OR NOT EXISTS (SELECT 1 FROM decisions d WHERE d.request_id = NEW.request_id
  AND d.actor = NEW.approver AND d.verdict = 'approve' AND d.recorded_at = NEW.recorded_at)
BEGIN SELECT RAISE(ABORT, 'a condition is of an approval, and made with it'); END;

CREATE TRIGGER conditions_are_confirmed_once BEFORE UPDATE ON approval_conditions
WHEN OLD.confirmed_at IS NOT NULL OR NEW.confirmed_at IS NULL OR OLD.id <> NEW.id OR OLD.request_id <> NEW.request_id
  OR OLD.approver <> NEW.approver OR OLD.text <> NEW.text OR OLD.by <> NEW.by OR OLD.due <> NEW.due
  OR OLD.recorded_at <> NEW.recorded_at
  OR NOT EXISTS (SELECT 1 FROM promotion_requests r WHERE r.id = NEW.request_id AND r.status IN ('approved', 'deployed'))
BEGIN SELECT RAISE(ABORT, 'a condition never changes; it is confirmed once, from the last approval on'); END;
