-- Hashes of complete subtrees of the audit log's Merkle tree: level 8 has one row for each 256 rows of the log, level 16 one
-- for each 65,536, and so on. They follow from the rows; they are kept so that a proof need not read them all.
CREATE TABLE log_subtrees (
  level INTEGER NOT NULL CHECK (level > 0 AND level % 8 = 0),
  place INTEGER NOT NULL CHECK (place >= 0),
  hash  BLOB NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (level, place)
) STRICT, WITHOUT ROWID;

-- Heads of the log that were signed. The note is the head as it went out, without the signatures of witnesses.
CREATE TABLE log_heads (
  id          INTEGER PRIMARY KEY,
  origin      TEXT NOT NULL CHECK (origin <> ''),
  size        INTEGER NOT NULL CHECK (size > 0),
  root        BLOB NOT NULL CHECK (length(root) = 32),
  note        TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  UNIQUE (origin, size)
) STRICT;

-- What takes the heads: files of other owners, the system's log, witnesses, whose key is given.
CREATE TABLE log_anchors (
  id          INTEGER PRIMARY KEY,
  name        TEXT NOT NULL CHECK (name <> ''),
  kind        TEXT NOT NULL CHECK (kind IN ('file', 'syslog', 'witness')),
  place       TEXT NOT NULL CHECK (place <> ''),
  key         TEXT NOT NULL,
  added_by    TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  removed_by  TEXT,
  removed_at  INTEGER,
  CHECK ((kind = 'witness') = (key <> '')),
  CHECK ((removed_by IS NULL) = (removed_at IS NULL))
) STRICT;

CREATE UNIQUE INDEX log_anchors_in_use ON log_anchors (name) WHERE removed_at IS NULL;

-- Signatures of witnesses under heads.
CREATE TABLE log_cosignatures (
  id          INTEGER PRIMARY KEY,
  head_id     INTEGER NOT NULL REFERENCES log_heads (id),
  anchor_id   INTEGER NOT NULL REFERENCES log_anchors (id),
  line        TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  UNIQUE (head_id, anchor_id)
) STRICT;

-- How far each anchor is, and since when it has failed.
CREATE TABLE log_deliveries (
  anchor_id     INTEGER PRIMARY KEY REFERENCES log_anchors (id),
  sent_size     INTEGER NOT NULL CHECK (sent_size >= 0),
  sent_at       INTEGER,
  tried_at      INTEGER NOT NULL,
  failures      INTEGER NOT NULL CHECK (failures >= 0),
  failing_since INTEGER,
  error         TEXT NOT NULL,
  CHECK ((failures = 0) = (failing_since IS NULL)),
  CHECK ((failures = 0) = (error = ''))
) STRICT;
