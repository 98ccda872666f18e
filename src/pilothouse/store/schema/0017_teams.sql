-- Teams whose approval a policy can ask for. A member is added and removed; who comes back has a new row.
CREATE TABLE team_members (
  id          INTEGER PRIMARY KEY,
  team        TEXT NOT NULL CHECK (team <> ''),
  name        TEXT NOT NULL CHECK (name <> ''),
  added_by    TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  reason      TEXT NOT NULL,
  removed_at  INTEGER,
  removed_by  TEXT,
  CHECK ((removed_at IS NULL) = (removed_by IS NULL))
) STRICT;
CREATE UNIQUE INDEX team_members_now ON team_members (team, name) WHERE removed_at IS NULL;

CREATE TRIGGER team_members_end_once BEFORE UPDATE ON team_members
WHEN OLD.removed_at IS NOT NULL OR NEW.removed_at IS NULL OR OLD.id <> NEW.id OR OLD.team <> NEW.team OR OLD.name <> NEW.name
  OR OLD.added_by <> NEW.added_by OR OLD.recorded_at <> NEW.recorded_at OR OLD.reason <> NEW.reason
BEGIN SELECT RAISE(ABORT, 'a membership never changes; it ends once'); END;

-- Approvals by team that every model's policy asks for at least.
ALTER TABLE workspace_policies ADD COLUMN teams TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(teams));
