-- Who is one person, and who has a part in what a request asks for.

-- A name is an account of the system's, or another name of the same person. Nothing is undone here.
CREATE TABLE person_names (
  id          INTEGER PRIMARY KEY,
  name        TEXT NOT NULL CHECK (name <> ''),
  uid         INTEGER CHECK (uid >= 0),
  same_as     TEXT CHECK (same_as <> ''),
  recorded_by TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  CHECK ((uid IS NULL) <> (same_as IS NULL))
) STRICT;

-- Beside whoever requested and trained: who applied its model file, set its schedule … Where four eyes holds, none of them approves.
CREATE TABLE request_authors (
  request_id INTEGER NOT NULL REFERENCES promotion_requests (id),
  position   INTEGER NOT NULL,
  name       TEXT NOT NULL CHECK (name <> ''),
  part       TEXT NOT NULL CHECK (part <> ''),
  PRIMARY KEY (request_id, position)
) STRICT, WITHOUT ROWID;

INSERT INTO request_authors
SELECT r.id, 0, s.applied_by, 'applied the model file that ' || m.name || '/' || v.number || ' was trained with'
FROM promotion_requests r JOIN models m ON m.id = r.model_id JOIN versions v ON v.id = r.version_id
JOIN runs u ON u.id = v.run_id JOIN model_specs s ON s.id = u.spec_id WHERE r.status = 'open';
