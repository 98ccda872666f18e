-- alerts.toml as it was applied. The newest row counts. It holds no secret: a secret is named by its file or variable.
CREATE TABLE alert_settings (
  id          INTEGER PRIMARY KEY,
  settings    TEXT NOT NULL CHECK (json_valid(settings)),
  digest      TEXT NOT NULL CHECK (length(digest) = 64),
  applied_by  TEXT NOT NULL CHECK (applied_by <> ''),
  recorded_at INTEGER NOT NULL
) STRICT;

-- Messages that fit wait until a silence ends.
CREATE TABLE silences (
  id          INTEGER PRIMARY KEY,
  matchers    TEXT NOT NULL CHECK (json_valid(matchers)),
  reason      TEXT NOT NULL CHECK (trim(reason) <> ''),
  made_by     TEXT NOT NULL CHECK (made_by <> ''),
  recorded_at INTEGER NOT NULL,
  ends_at     INTEGER NOT NULL CHECK (ends_at > recorded_at),
  ended_at    INTEGER,
  ended_by    TEXT,
  CHECK ((ended_at IS NULL) = (ended_by IS NULL))
) STRICT;

CREATE TRIGGER silences_end_once BEFORE UPDATE ON silences
WHEN OLD.ended_at IS NOT NULL OR OLD.id <> NEW.id OR OLD.matchers <> NEW.matchers OR OLD.reason <> NEW.reason
  OR OLD.made_by <> NEW.made_by OR OLD.recorded_at <> NEW.recorded_at OR OLD.ends_at <> NEW.ends_at
BEGIN SELECT RAISE(ABORT, 'a silence stays as it was made, and is ended once'); END;

-- Entries of the audit log that are told, written in the transaction of what they are about; taken once they are routed.
CREATE TABLE outbox_events (
  entry       INTEGER PRIMARY KEY,
  action      TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  taken_at    INTEGER
) STRICT;
CREATE INDEX outbox_events_waiting ON outbox_events (entry) WHERE taken_at IS NULL;

-- Messages, each for one receiver. The delivery's name stays the same over all tries: a receiver can drop doubles by it.
CREATE TABLE deliveries (
  id          INTEGER PRIMARY KEY,
  delivery    TEXT NOT NULL UNIQUE CHECK (delivery <> ''),
  receiver    TEXT NOT NULL CHECK (receiver <> ''),
  route       TEXT NOT NULL,
  purpose     TEXT NOT NULL CHECK (purpose IN ('news', 'repeat', 'escalation', 'test')),
  message     TEXT NOT NULL CHECK (json_valid(message)),
  state       TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'dead')),
  made_at     INTEGER NOT NULL,
  due_at      INTEGER NOT NULL,
  gives_up_at INTEGER NOT NULL,
  tries       INTEGER NOT NULL DEFAULT 0,
  tried_at    INTEGER,
  error       TEXT NOT NULL DEFAULT '',
  ended_at    INTEGER,
  CHECK ((state = 'waiting') = (ended_at IS NULL))
) STRICT;
CREATE INDEX deliveries_waiting ON deliveries (receiver, id) WHERE state = 'waiting';
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE state <> 'waiting';

CREATE TRIGGER deliveries_end_once BEFORE UPDATE ON deliveries
WHEN OLD.state = 'sent' OR OLD.delivery <> NEW.delivery OR OLD.receiver <> NEW.receiver OR OLD.message <> NEW.message
BEGIN SELECT RAISE(ABORT, 'a message that was taken is sent no more, and none changes'); END;

-- What a receiver is to be told, line by line: in a delivery, or waiting for its group, a quiet time or a silence to end.
CREATE TABLE outbox_lines (
  id          INTEGER PRIMARY KEY,
  entry       INTEGER,
  alert_id    INTEGER REFERENCES alerts (id),
  receiver    TEXT NOT NULL CHECK (receiver <> ''),
  route       TEXT NOT NULL,
  group_key   TEXT NOT NULL CHECK (json_valid(group_key)),
  purpose     TEXT NOT NULL,
  line        TEXT NOT NULL CHECK (json_valid(line)),
  due_at      INTEGER NOT NULL,
  held_by     TEXT NOT NULL DEFAULT '',
  delivery_id INTEGER REFERENCES deliveries (id),
  dropped     TEXT NOT NULL DEFAULT '',
  UNIQUE (entry, alert_id, receiver, route)
) STRICT;
CREATE INDEX outbox_lines_waiting ON outbox_lines (due_at) WHERE delivery_id IS NULL AND dropped = '';
CREATE INDEX outbox_lines_of_alert ON outbox_lines (alert_id, receiver);
CREATE INDEX outbox_lines_of_delivery ON outbox_lines (delivery_id);
CREATE INDEX outbox_lines_of_group ON outbox_lines (receiver, route, group_key) WHERE delivery_id IS NOT NULL;

-- How each receiver takes what it is sent.
CREATE TABLE receiver_health (
  receiver      TEXT PRIMARY KEY,
  taken_at      INTEGER,
  failing_since INTEGER,
  failures      INTEGER NOT NULL DEFAULT 0,
  error         TEXT NOT NULL DEFAULT '',
  told          INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1))
) STRICT, WITHOUT ROWID;
