-- Identities of this workspace: the newest counts. It travels with the files: a backup that is restored keeps it, and so does a copy,
-- which is given one of its own where it is to be a workspace of its own.
CREATE TABLE workspace_identities (
  id          INTEGER PRIMARY KEY,
  identity    TEXT NOT NULL UNIQUE CHECK (length(identity) = 32 AND identity NOT GLOB '*[^0-9a-f]*'),
  made_by     TEXT NOT NULL CHECK (made_by <> ''),
  recorded_at INTEGER NOT NULL
) STRICT;
