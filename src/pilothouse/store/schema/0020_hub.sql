-- How much a target on another machine may send to the hub: of all of them, and of one where that is otherwise.
ALTER TABLE hub_door ADD COLUMN limits TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(limits));
ALTER TABLE target_places ADD COLUMN limits TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(limits));

-- What each of them has sent on its last day, UTC, and what of that was refused.
CREATE TABLE hub_usage (
  target_id  INTEGER PRIMARY KEY REFERENCES targets (id),
  day        TEXT NOT NULL CHECK (day <> ''),
  bytes      INTEGER NOT NULL CHECK (bytes >= 0),
  rows       INTEGER NOT NULL CHECK (rows >= 0),
  refused    INTEGER NOT NULL CHECK (refused >= 0),
  refused_at INTEGER,
  why        TEXT NOT NULL DEFAULT ''
) STRICT;

-- Whether the hub listens for other machines, as the daemon last said; no row: nobody asked it to.
CREATE TABLE hub_door_state (
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  listen TEXT NOT NULL,
  fault  TEXT NOT NULL DEFAULT '',
  since  INTEGER NOT NULL
) STRICT;
