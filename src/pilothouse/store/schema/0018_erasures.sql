-- Erasures of a person's rows: the order, with the places of the rows, and the tombstone once it is carried out.

CREATE TABLE erasures (
  id          INTEGER PRIMARY KEY,
  plan        TEXT NOT NULL CHECK (json_valid(plan)),
  plan_digest TEXT NOT NULL UNIQUE CHECK (length(plan_digest) = 64),
  reason      TEXT NOT NULL CHECK (trim(reason) <> ''),
  ordered_by  TEXT NOT NULL CHECK (ordered_by <> ''),
  second      TEXT NOT NULL,                -- who proposed it, under dual control; else empty
  repeats     TEXT NOT NULL,                -- after a restore: sha256 of the statement that it repeats; else empty
  recorded_at INTEGER NOT NULL
) STRICT;

-- Statement to the byte as the workspace's key has signed it.
CREATE TABLE tombstones (
  erasure_id  INTEGER PRIMARY KEY REFERENCES erasures (id),
  statement   TEXT NOT NULL CHECK (json_valid(statement)),
  signature   TEXT NOT NULL CHECK (signature <> ''),
  public_key  TEXT NOT NULL CHECK (public_key <> ''),
  recorded_at INTEGER NOT NULL
) STRICT;

-- Artifacts that lost rows, as their tombstone says: the digest on record stays, the file has another.
CREATE TABLE erased_files (
  erasure_id  INTEGER NOT NULL REFERENCES tombstones (erasure_id),
  digest      TEXT NOT NULL CHECK (length(digest) = 64),
  left_digest TEXT NOT NULL CHECK (length(left_digest) = 64),
  name        TEXT NOT NULL,
  rows        INTEGER NOT NULL CHECK (rows > 0),
  of_rows     INTEGER NOT NULL CHECK (of_rows >= rows),
  PRIMARY KEY (erasure_id, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX erased_files_by_digest ON erased_files (digest);

CREATE TRIGGER tombstones_are_of_their_order BEFORE INSERT ON tombstones
WHEN NOT EXISTS (SELECT 1 FROM erasures e WHERE e.id = NEW.erasure_id
                 AND json_extract(NEW.statement, '$.erasure') = e.id
                 AND json_extract(NEW.statement, '$.plan') = e.plan_digest
                 AND json_extract(NEW.statement, '$.reason') = e.reason
                 AND json_extract(NEW.statement, '$.ordered_by') = e.ordered_by)
BEGIN SELECT RAISE(ABORT, 'a tombstone is of the order that it names'); END;

-- Summaries of columns name frequent values. They change while an erasure is ordered and not carried out, and never else.
DROP TRIGGER snapshots_refuses_update;
CREATE TRIGGER snapshots_refuses_update BEFORE UPDATE ON snapshots
WHEN NOT EXISTS (SELECT 1 FROM erasures e WHERE e.id NOT IN (SELECT erasure_id FROM tombstones))
  OR OLD.id <> NEW.id OR OLD.content_digest <> NEW.content_digest OR OLD.artifact_digest <> NEW.artifact_digest
  OR OLD.source_digest <> NEW.source_digest OR OLD.rows <> NEW.rows OR OLD.training_rows <> NEW.training_rows
  OR OLD.holdout_rows <> NEW.holdout_rows OR OLD.first_row_at <> NEW.first_row_at OR OLD.last_row_at <> NEW.last_row_at
  OR OLD.trained_until <> NEW.trained_until OR OLD.schema <> NEW.schema OR OLD.recorded_at <> NEW.recorded_at
BEGIN SELECT RAISE(ABORT, 'rows of snapshots are permanent: UPDATE is refused'); END;

DROP TRIGGER step_results_refuses_update;
CREATE TRIGGER step_results_refuses_update BEFORE UPDATE ON step_results
WHEN NOT EXISTS (SELECT 1 FROM erasures e WHERE e.id NOT IN (SELECT erasure_id FROM tombstones))
  OR OLD.id <> NEW.id OR OLD.key <> NEW.key OR OLD.job_id <> NEW.job_id OR OLD.attempt <> NEW.attempt
  OR OLD.step <> NEW.step OR OLD.outputs <> NEW.outputs OR OLD.recorded_at <> NEW.recorded_at
BEGIN SELECT RAISE(ABORT, 'rows of step_results are permanent: UPDATE is refused'); END;
