-- Other sites that are followed by the files that they publish: a name here, where they lie, and the key of their log.
CREATE TABLE followed_sites (
  id            INTEGER PRIMARY KEY,
  name          TEXT NOT NULL CHECK (name <> ''),
  place         TEXT NOT NULL CHECK (place <> ''),
  key           TEXT NOT NULL CHECK (key <> ''),
  stale_after_s INTEGER NOT NULL CHECK (stale_after_s > 0),
  added_by      TEXT NOT NULL,
  recorded_at   INTEGER NOT NULL,
  removed_by    TEXT,
  removed_at    INTEGER,
  CHECK ((removed_by IS NULL) = (removed_at IS NULL))
) STRICT;

CREATE UNIQUE INDEX followed_sites_in_use ON followed_sites (name) WHERE removed_at IS NULL;

CREATE TRIGGER followed_sites_end_once BEFORE UPDATE ON followed_sites
WHEN OLD.removed_at IS NOT NULL OR OLD.id <> NEW.id OR OLD.name <> NEW.name OR OLD.place <> NEW.place OR OLD.key <> NEW.key
  OR OLD.stale_after_s <> NEW.stale_after_s OR OLD.added_by <> NEW.added_by OR OLD.recorded_at <> NEW.recorded_at
BEGIN SELECT RAISE(ABORT, 'a followed site is left once, and nothing else of it changes'); END;

-- What each was at the last look. The note is its newest state that was believed, as it was signed; the head of its log that the
-- next one must extend; evidence is a signed note that contradicts that head, which stays.
CREATE TABLE followed_states (
  site_id      INTEGER PRIMARY KEY REFERENCES followed_sites (id),
  standing     TEXT NOT NULL CHECK (standing <> ''),
  said         TEXT NOT NULL,
  since        INTEGER NOT NULL,
  tried_at     INTEGER NOT NULL,
  note         TEXT NOT NULL,
  made_at      INTEGER,
  heard_at     INTEGER,
  head_size    INTEGER NOT NULL CHECK (head_size >= 0),
  head_root    BLOB NOT NULL CHECK (length(head_root) = 32),
  witnessed_at INTEGER,
  evidence     TEXT NOT NULL,
  CHECK ((note = '') = (made_at IS NULL)),
  CHECK ((note = '') = (heard_at IS NULL)),
  CHECK ((standing = 'contradicts') = (evidence <> ''))
) STRICT;
