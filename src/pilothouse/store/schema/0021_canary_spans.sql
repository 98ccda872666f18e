-- Spans of time for which a command's platform gave the version of a canary its share of the requests: from the probe that
-- succeeded until something else was wanted there, or until the platform failed. Rows of its logs belong to a trial by them.
CREATE TABLE canary_spans (
  id          INTEGER PRIMARY KEY,
  rollout_id  INTEGER NOT NULL,
  model_id    INTEGER NOT NULL,
  target_id   INTEGER NOT NULL REFERENCES targets (id),
  share       REAL NOT NULL CHECK (share > 0 AND share < 1),
  since       INTEGER NOT NULL,
  since_event INTEGER,
  until       INTEGER,
  until_event INTEGER,
  FOREIGN KEY (rollout_id, model_id) REFERENCES rollouts (id, model_id),
  CHECK (until IS NULL OR until >= since),
  CHECK (until_event IS NULL OR until IS NOT NULL)
) STRICT;
CREATE UNIQUE INDEX one_open_canary_span ON canary_spans (model_id, target_id) WHERE until IS NULL;
CREATE INDEX canary_spans_of ON canary_spans (rollout_id, target_id);

CREATE TRIGGER canary_spans_end_once BEFORE UPDATE ON canary_spans
WHEN OLD.until IS NOT NULL OR OLD.rollout_id <> NEW.rollout_id OR OLD.target_id <> NEW.target_id OR OLD.share <> NEW.share
  OR OLD.since <> NEW.since OR OLD.since_event IS NOT NEW.since_event
BEGIN SELECT RAISE(ABORT, 'a span of a canary ends once, and is frozen otherwise'); END;
