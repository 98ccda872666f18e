-- Where each step ran that ran on a worker of a cluster; a step without a row ran on the workspace's own machine.
CREATE TABLE job_places (
  job_id   INTEGER NOT NULL REFERENCES jobs (id),
  attempt  INTEGER NOT NULL,
  position INTEGER NOT NULL,
  step     TEXT NOT NULL,
  host     TEXT NOT NULL CHECK (host <> ''),
  worker   TEXT NOT NULL,
  PRIMARY KEY (job_id, attempt, position)
) STRICT, WITHOUT ROWID;
