"""Tables of telemetry.db, and the migration of a file to the current ones.

All times are microseconds since 1970, UTC. A *stream* is one version of one model on one target; everything that is
rolled up belongs to a stream, so that windows never mix versions.
"""

from pilothouse.sqlite import Connection, Database, Progress, Schema
from pilothouse.telemetry.intake.producers import PRODUCERS
from pilothouse.telemetry.intake.window_packs import PACKS
from pilothouse.telemetry.rows.traces import TRACES
from pilothouse.telemetry.trials.tables import DRAWS, KEY_PLACES, LOG_HOURS, TRIALS

_FIRST = """
CREATE TABLE specifications (
  id INTEGER PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,
  data BLOB NOT NULL
) STRICT;

CREATE TABLE streams (
  id INTEGER PRIMARY KEY,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  target TEXT NOT NULL,
  specification_id INTEGER NOT NULL REFERENCES specifications(id),
  minutes_since INTEGER,          -- minute profiles are complete from here on; NULL: none are kept
  first_event INTEGER NOT NULL,
  last_event INTEGER NOT NULL,
  last_arrival INTEGER NOT NULL,
  rows INTEGER NOT NULL DEFAULT 0,
  labelled INTEGER NOT NULL DEFAULT 0,
  UNIQUE (model, version, target)
) STRICT;

CREATE TABLE producers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE batches (
  id INTEGER PRIMARY KEY,
  producer_id INTEGER NOT NULL REFERENCES producers(id),
  sequence INTEGER NOT NULL,
  stream_id INTEGER REFERENCES streams(id),   -- NULL: every row was rejected
  checksum INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  rejected INTEGER NOT NULL,
  first_event INTEGER,
  last_event INTEGER,
  received INTEGER NOT NULL,
  predictions BLOB,               -- times, scores, labels, offsets, ids, requests
  features BLOB,
  UNIQUE (producer_id, sequence)
) STRICT;
CREATE INDEX batches_of_stream ON batches (stream_id, last_event);
CREATE INDEX batches_with_rejected_rows ON batches (rejected) WHERE rejected > 0;

CREATE TABLE foreign_ids (
  hash INTEGER PRIMARY KEY,
  batch_id INTEGER NOT NULL REFERENCES batches(id),
  offset INTEGER NOT NULL
) STRICT;

CREATE TABLE truths (
  batch_id INTEGER PRIMARY KEY REFERENCES batches(id),
  data BLOB NOT NULL
) STRICT;

CREATE TABLE windows (
  stream_id INTEGER NOT NULL REFERENCES streams(id),
  level INTEGER NOT NULL,         -- seconds: 60, 3600 or 86400
  start INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  latency BLOB,
  profile BLOB,
  PRIMARY KEY (stream_id, level, start)
) STRICT, WITHOUT ROWID;

CREATE TABLE outcome_days (
  stream_id INTEGER NOT NULL REFERENCES streams(id),
  start INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (stream_id, start)
) STRICT, WITHOUT ROWID;

CREATE TABLE waiting_outcomes (
  id TEXT PRIMARY KEY,
  hash INTEGER NOT NULL,
  producer TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  value TEXT NOT NULL,            -- JSON: a number or a text
  received INTEGER NOT NULL
) STRICT;
CREATE INDEX waiting_by_batch ON waiting_outcomes (producer, sequence);
CREATE INDEX waiting_by_hash ON waiting_outcomes (hash);

CREATE TABLE outcome_conflicts (
  batch_id INTEGER NOT NULL REFERENCES batches(id),
  offset INTEGER NOT NULL,
  kept TEXT NOT NULL,
  other TEXT NOT NULL,
  received INTEGER NOT NULL,
  PRIMARY KEY (batch_id, offset, other)
) STRICT;

CREATE TABLE clocks (
  target TEXT PRIMARY KEY,
  event INTEGER NOT NULL,
  arrived INTEGER NOT NULL,
  far INTEGER,                    -- where events beyond the bound were last seen
  far_count INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE rejected (
  id INTEGER PRIMARY KEY,
  received INTEGER NOT NULL,
  reason TEXT NOT NULL,
  count INTEGER NOT NULL,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  target TEXT NOT NULL,
  producer TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  example TEXT NOT NULL,
  data BLOB                       -- the rows as they came, for whoever looks into it
) STRICT;
CREATE INDEX rejected_by_reason ON rejected (reason, id);

CREATE TABLE readings (
  id INTEGER PRIMARY KEY,
  stream_id INTEGER NOT NULL REFERENCES streams(id),
  monitor TEXT NOT NULL,
  subject TEXT NOT NULL DEFAULT '',
  window_start INTEGER NOT NULL,
  window_end INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  judged INTEGER NOT NULL,        -- 0: too few rows for a verdict
  speaks INTEGER NOT NULL,
  applied INTEGER NOT NULL DEFAULT 0,   -- 1 once alerts have been drawn from it
  recorded INTEGER NOT NULL,
  data TEXT NOT NULL,
  UNIQUE (stream_id, monitor, subject, window_end)
) STRICT;
CREATE INDEX readings_to_apply ON readings (id) WHERE applied = 0;

CREATE TABLE calibrations (
  key TEXT PRIMARY KEY,           -- digest of everything that it was computed from
  data BLOB NOT NULL
) STRICT;

CREATE TABLE retrainings (
  id INTEGER PRIMARY KEY,
  alert_id INTEGER NOT NULL,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  target TEXT NOT NULL,
  kind TEXT NOT NULL,
  window_end INTEGER NOT NULL,
  clock INTEGER NOT NULL,         -- the target's newest event when it was asked: what a training may know
  job_id INTEGER,                 -- NULL: none was started, reason says why
  reason TEXT NOT NULL,
  recorded INTEGER NOT NULL,
  UNIQUE (alert_id, window_end)
) STRICT;
CREATE INDEX retrainings_of_model ON retrainings (model, id);
"""

_SEGMENTS = """
CREATE TABLE segments (
  id INTEGER PRIMARY KEY,
  stream_id INTEGER NOT NULL REFERENCES streams(id),
  rows INTEGER NOT NULL,
  first_event INTEGER NOT NULL,
  last_event INTEGER NOT NULL,
  received INTEGER NOT NULL,
  predictions BLOB NOT NULL,      -- times, scores, labels, offsets, ids, requests
  features BLOB NOT NULL
) STRICT;
CREATE INDEX segments_of_stream ON segments (stream_id, last_event);
INSERT INTO segments SELECT id, stream_id, rows, first_event, last_event, received, predictions, features
  FROM batches WHERE predictions IS NOT NULL;

ALTER TABLE batches ADD COLUMN segment_id INTEGER REFERENCES segments(id);
ALTER TABLE batches ADD COLUMN segment_start INTEGER NOT NULL DEFAULT 0;
UPDATE batches SET segment_id = id WHERE predictions IS NOT NULL;
DROP INDEX batches_of_stream;
ALTER TABLE batches DROP COLUMN predictions;
ALTER TABLE batches DROP COLUMN features;
ALTER TABLE batches DROP COLUMN first_event;
ALTER TABLE batches DROP COLUMN last_event;
CREATE INDEX batches_of_segment ON batches (segment_id);

CREATE TABLE unfolded_windows (   -- coarser windows that are to be summed from their finer ones
  stream_id INTEGER NOT NULL REFERENCES streams(id),
  level INTEGER NOT NULL,
  start INTEGER NOT NULL,
  PRIMARY KEY (stream_id, level, start)
) STRICT, WITHOUT ROWID;
UPDATE streams SET minutes_since = (last_event / 3600000000 + 1) * 3600000000 WHERE minutes_since > 0;

CREATE TABLE clocks_of_streams (
  model TEXT NOT NULL,
  target TEXT NOT NULL,
  event INTEGER NOT NULL,
  arrived INTEGER NOT NULL,
  far INTEGER,                    -- where events beyond the bound were last seen
  far_count INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (model, target)
) STRICT;
INSERT INTO clocks_of_streams (model, target, event, arrived)
  SELECT model, target, max(last_event), max(last_arrival) FROM streams GROUP BY model, target;
DROP TABLE clocks;
ALTER TABLE clocks_of_streams RENAME TO clocks;
CREATE INDEX clocks_by_target ON clocks (target, event);

ALTER TABLE waiting_outcomes ADD COLUMN target TEXT NOT NULL DEFAULT '';
CREATE INDEX waiting_by_age ON waiting_outcomes (received);

CREATE TABLE rejected_totals (    -- counted for good; the table rejected keeps some of the newest of each reason
  reason TEXT PRIMARY KEY,
  count INTEGER NOT NULL,
  last INTEGER NOT NULL,
  example TEXT NOT NULL
) STRICT;
INSERT INTO rejected_totals SELECT r.reason, s.total, r.received, r.example FROM rejected r JOIN
  (SELECT sum(count) AS total, max(id) AS newest FROM rejected GROUP BY reason) s ON r.id = s.newest;
DELETE FROM rejected WHERE (SELECT count(*) FROM rejected n WHERE n.reason = rejected.reason AND n.id > rejected.id) >= 100;

CREATE TABLE deletions (          -- what retention has taken; written in the transaction that took it
  id INTEGER PRIMARY KEY,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  target TEXT NOT NULL,
  before INTEGER NOT NULL,        -- events before this time
  rows INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  recorded INTEGER NOT NULL,
  audited INTEGER NOT NULL DEFAULT 0    -- 1 once the audit log says so
) STRICT;
CREATE INDEX deletions_to_audit ON deletions (id) WHERE audited = 0;
"""

_SLICES = """
-- JSON: the features by which outcomes are cut too
ALTER TABLE streams ADD COLUMN slices TEXT NOT NULL DEFAULT '[]';

CREATE TABLE outcome_slices (
  stream_id INTEGER NOT NULL REFERENCES streams(id),
  feature TEXT NOT NULL,
  start INTEGER NOT NULL,
  data BLOB NOT NULL,             -- an outcome profile for each of the feature's values
  PRIMARY KEY (stream_id, feature, start)
) STRICT, WITHOUT ROWID;
"""

_HINDRANCES = """
-- What stood against a training: a word of the program's, NULL where one started
ALTER TABLE retrainings ADD COLUMN hindrance TEXT;
UPDATE retrainings SET hindrance = CASE
    WHEN reason LIKE 'automation is paused%' THEN 'paused'
    WHEN reason LIKE 'training job % has not ended yet' THEN 'running'
    WHEN reason LIKE 'promotion request % waits for a decision' THEN 'undecided'
    WHEN reason LIKE 'a retraining started %; the cool-down is %' THEN 'cooling down'
    WHEN reason LIKE 'the budget of % is used up' THEN 'over budget'
    ELSE 'refused' END
  WHERE job_id IS NULL;
"""

_SIGNIFICANT = """
-- The findings in data keep the names of their time: see readings.py
ALTER TABLE readings RENAME COLUMN speaks TO significant;
"""

_OUTCOMES = """
ALTER TABLE truths RENAME TO outcomes;
"""

_WORKLIST = """
-- moved: arrivals since the monitor has looked; look_at: wall clock at which silence is looked for
ALTER TABLE clocks ADD COLUMN moved INTEGER NOT NULL DEFAULT 1;
ALTER TABLE clocks ADD COLUMN look_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX clocks_moved ON clocks (event) WHERE moved > 0;
CREATE INDEX clocks_to_look_at ON clocks (look_at);
CREATE INDEX retrainings_paused ON retrainings (model) WHERE hindrance = 'paused';
"""

_KEPT_REJECTIONS = """
CREATE TABLE kept_rejections (    -- rows that another clock may take, the newest within a bound
  id INTEGER PRIMARY KEY,
  received INTEGER NOT NULL,
  reason TEXT NOT NULL,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  target TEXT NOT NULL,
  producer TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  data BLOB NOT NULL
) STRICT;
CREATE INDEX kept_rejections_of_target ON kept_rejections (model, target, id);
CREATE INDEX kept_rejections_of_batch ON kept_rejections (producer, sequence);

CREATE TABLE rejected_ids (       -- hashes of foreign ids, the newest within a bound: their outcomes do not wait
  id INTEGER PRIMARY KEY,
  hash INTEGER NOT NULL
) STRICT;
CREATE INDEX rejected_ids_by_hash ON rejected_ids (hash);
"""

_LATE = """
-- late: what came after the window was closed, for which it was judged again: '', 'rows', 'outcomes' or 'asked'
ALTER TABLE readings ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE readings ADD COLUMN late TEXT NOT NULL DEFAULT '';

CREATE INDEX readings_judged_again ON readings (stream_id, window_end) WHERE revision > 0;

CREATE TABLE earlier_readings (   -- readings as they were before their window was judged again
  reading_id INTEGER NOT NULL REFERENCES readings(id),
  revision INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  judged INTEGER NOT NULL,
  significant INTEGER NOT NULL,
  late TEXT NOT NULL,
  recorded INTEGER NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (reading_id, revision)
) STRICT, WITHOUT ROWID;

CREATE TABLE late_days (          -- days of events of which something came after a window with them was closed
  stream_id INTEGER NOT NULL REFERENCES streams(id),
  kind TEXT NOT NULL,             -- rows or outcomes
  start INTEGER NOT NULL,
  first_event INTEGER NOT NULL,
  last_event INTEGER NOT NULL,
  added INTEGER NOT NULL,
  look_at INTEGER NOT NULL,       -- wall clock from which the windows are judged again
  PRIMARY KEY (stream_id, kind, start)
) STRICT, WITHOUT ROWID;
CREATE INDEX late_days_to_look_at ON late_days (look_at);
"""
"""``late`` may be ``findings`` too, and so may the ``kind`` of a late day, whose times are then a window's bounds: see
``late_days`` and ``readings``. The comments above are part of the tables of every file, so they stay as they were."""

_ERASED = """
CREATE TABLE erased_rows (        -- rows of a person that were erased: neither they nor their outcomes are taken in again
  batch_id INTEGER PRIMARY KEY REFERENCES batches(id),
  offsets BLOB NOT NULL           -- int64, in order: places in the batch as it came
) STRICT;

CREATE TABLE erasures (           -- plans of the registry's erasures that were carried out here, and what each took
  plan TEXT PRIMARY KEY,
  report TEXT NOT NULL
) STRICT;
"""

MIGRATIONS = (
    _FIRST,
    _SEGMENTS,
    _SLICES,
    _HINDRANCES,
    _SIGNIFICANT,
    _OUTCOMES,
    _WORKLIST,
    _KEPT_REJECTIONS,
    _LATE,
    TRIALS,
    _ERASED,
    DRAWS,
    PRODUCERS,
    KEY_PLACES,
    TRACES,
    PACKS,
    LOG_HOURS,
)
"""Scripts of which each brings the schema from its index to the next; ``PRAGMA user_version`` counts those applied."""


def _migrate(connection: Connection, _: Progress | None = None) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for script in MIGRATIONS[version:]:
        for statement in script.split(";\n"):
            if statement.strip():
                connection.execute(statement)


class TelemetryFile(Database):
    """Database file ``telemetry.db``."""

    schema = Schema("telemetry store", int.from_bytes(b"PHT1"), len(MIGRATIONS), _migrate, gives_back=True)
