"""Tables of trials in telemetry.db."""

TRIALS = """
CREATE TABLE trials (             -- roll-outs of which something has come
  id INTEGER PRIMARY KEY,
  rollout INTEGER NOT NULL,
  model TEXT NOT NULL,
  target TEXT NOT NULL,
  classes TEXT NOT NULL,          -- JSON: what labels and outcomes are the numbers of; empty for a regression
  first_received INTEGER NOT NULL,
  UNIQUE (rollout, model, target)
) STRICT;

CREATE TABLE trial_pairs (        -- segments of pairs; id is the order in which they came, and is never used again
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  trial_id INTEGER REFERENCES trials(id),        -- NULL: of a version that is not registered, or of other classes
  producer_id INTEGER NOT NULL REFERENCES producers(id),
  sequence INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  champion INTEGER NOT NULL,
  challenger INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  rejected INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  dropped INTEGER NOT NULL,       -- requests that the champion alone answered, and why
  failed INTEGER NOT NULL,
  unfit INTEGER NOT NULL,
  received INTEGER NOT NULL,
  data BLOB,                      -- NULL: no row was kept, or retention has deleted them
  UNIQUE (producer_id, sequence)
) STRICT;
CREATE INDEX trial_pairs_of_trial ON trial_pairs (trial_id, id);

CREATE TABLE trial_links (        -- batches of predictions of which a segment has pairs
  producer_id INTEGER NOT NULL REFERENCES producers(id),
  sequence INTEGER NOT NULL,
  pairs_id INTEGER NOT NULL REFERENCES trial_pairs(id),
  PRIMARY KEY (producer_id, sequence, pairs_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX trial_links_of_pairs ON trial_links (pairs_id);

CREATE TABLE trial_arms (         -- requests of each version since the trial began, by the hour of their arrival
  trial_id INTEGER NOT NULL REFERENCES trials(id),
  share REAL NOT NULL,            -- of the challenger; 0: in the shadow
  version INTEGER NOT NULL,
  hour INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  latency BLOB NOT NULL,
  PRIMARY KEY (trial_id, share, version, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE trial_batches (      -- batches of a canary's arms
  batch_id INTEGER PRIMARY KEY REFERENCES batches(id),
  trial_id INTEGER NOT NULL REFERENCES trials(id),
  share REAL NOT NULL
) STRICT;

CREATE TABLE trial_outcomes (     -- rows whose outcome has become known, in that order; id is never used again
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  trial_id INTEGER NOT NULL REFERENCES trials(id),
  pairs_id INTEGER REFERENCES trial_pairs(id),   -- of a shadow
  batch_id INTEGER REFERENCES batches(id),       -- of a canary
  received INTEGER NOT NULL,
  data BLOB NOT NULL              -- numbers of the rows, and their outcomes
) STRICT;
CREATE INDEX trial_outcomes_of_trial ON trial_outcomes (trial_id, id);
CREATE INDEX trial_outcomes_of_pairs ON trial_outcomes (pairs_id) WHERE pairs_id IS NOT NULL;
CREATE INDEX trial_outcomes_of_batch ON trial_outcomes (batch_id) WHERE batch_id IS NOT NULL;
"""

DRAWS = """
-- Draws: requests that count as one observation of an arm, the first of each key (draws.py)
ALTER TABLE trial_arms ADD COLUMN failed_draws INTEGER NOT NULL DEFAULT 0;
ALTER TABLE trial_arms ADD COLUMN draw_latency BLOB;
UPDATE trial_arms SET failed_draws = errors, draw_latency = latency;

-- bits of the rows that count; NULL: all of them
ALTER TABLE trial_batches ADD COLUMN counted BLOB;
CREATE INDEX trial_batches_of_trial ON trial_batches (trial_id, batch_id);

CREATE TABLE trial_keys (         -- keys of requests, hashed with the salt of the roll-out, of which one has come
  trial_id INTEGER NOT NULL REFERENCES trials(id),
  key INTEGER NOT NULL,
  PRIMARY KEY (trial_id, key)
) STRICT, WITHOUT ROWID;
"""

KEY_PLACES = """
-- Rows of the first request of a key: batch, first row in it as it was sent, number of rows. NULL: none of it was kept, or a
-- release of before did not say
ALTER TABLE trial_keys ADD COLUMN batch_id INTEGER REFERENCES batches(id);
ALTER TABLE trial_keys ADD COLUMN first_row INTEGER;
ALTER TABLE trial_keys ADD COLUMN rows INTEGER;
CREATE INDEX trial_keys_of_batch ON trial_keys (batch_id) WHERE batch_id IS NOT NULL;
"""

LOG_HOURS = """
-- Rows of a batch that are of an arm: the whole batch of a serving process, or those of one hour of a log. id is the order in
-- which they came into the trial, and is never used again; of before it is the number of the batch, as watermarks have it
CREATE TABLE trial_parts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  batch_id INTEGER NOT NULL REFERENCES batches(id),
  trial_id INTEGER NOT NULL REFERENCES trials(id),
  share REAL NOT NULL,
  hour INTEGER NOT NULL,          -- of events; 0: of a serving process
  counted BLOB,                   -- bits of the rows that count; NULL: all of them
  UNIQUE (batch_id, trial_id, share, hour)
) STRICT;
INSERT INTO trial_parts (id, batch_id, trial_id, share, hour, counted)
  SELECT batch_id, batch_id, trial_id, share, 0, counted FROM trial_batches ORDER BY batch_id;
DROP TABLE trial_batches;
ALTER TABLE trial_parts RENAME TO trial_batches;
CREATE INDEX trial_batches_of_trial ON trial_batches (trial_id, id);

-- requests that count and were answered; NULL: as many as draw_latency has, since no log says less
ALTER TABLE trial_arms ADD COLUMN draws INTEGER;

CREATE TABLE trial_logs (         -- how far the logs of a target were looked through for a trial
  trial_id INTEGER PRIMARY KEY REFERENCES trials(id),
  seen INTEGER NOT NULL,          -- the newest batch that was looked at
  nameless INTEGER NOT NULL,      -- rows without an id of their own: they would count again in a log that is handed in anew
  keyless INTEGER NOT NULL        -- rows without a key: each is a draw
) STRICT;

CREATE TABLE trial_hour_rows (    -- rows of a log's batch in an hour that is not in the trial yet
  trial_id INTEGER NOT NULL REFERENCES trials(id),
  hour INTEGER NOT NULL,
  share REAL NOT NULL,
  batch_id INTEGER NOT NULL REFERENCES batches(id),
  rows BLOB NOT NULL,             -- their numbers, int64
  PRIMARY KEY (trial_id, hour, share, batch_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX trial_hour_rows_of_batch ON trial_hour_rows (batch_id);

CREATE TABLE trial_hours (        -- hours of a log that are in the trial, or out of it, for good
  trial_id INTEGER NOT NULL REFERENCES trials(id),
  hour INTEGER NOT NULL,
  share REAL NOT NULL,
  closed INTEGER NOT NULL,        -- by the wall clock
  left_out INTEGER NOT NULL,      -- 1: the log of a version did not reach its end in time
  rows INTEGER NOT NULL,
  judged INTEGER NOT NULL,        -- rows whose outcome was known
  late_rows INTEGER NOT NULL,     -- what came after that: counted, and in no test
  late_outcomes INTEGER NOT NULL,
  PRIMARY KEY (trial_id, hour, share)
) STRICT, WITHOUT ROWID;

CREATE TABLE log_keys (           -- keys of the rows of a log's batch, hashed with the salt of the roll-out under way; 0: none
  batch_id INTEGER PRIMARY KEY REFERENCES batches(id),
  keys BLOB NOT NULL
) STRICT;
"""
